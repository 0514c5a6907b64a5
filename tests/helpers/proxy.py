"""A TCP proxy before PostgreSQL that falls silent at a chosen moment: connections stay open, and nothing comes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy.engine import make_url


@dataclass
class Proxy:
    """Forwards while it answers; what was connected when it fell silent stays silent for good."""

    server: tuple[str, int]
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=64))
    silenced: threading.Event = field(default_factory=threading.Event)
    _generation: int = 0
    _words: bytes | None = None
    _passes_words: bool = False
    _sockets: list[socket.socket] = field(default_factory=list)

    def url(self, url: str) -> str:
        """The URL by way of this proxy."""
        host, port = self.listener.getsockname()
        return make_url(url).set(host=host, port=port).render_as_string(hide_password=False)

    def silence(self) -> None:
        self._generation += 1
        self.silenced.set()

    def silence_at(self, words: bytes, *, passes: bool) -> None:
        """Fall silent once a client says these words, which the server hears or doesn't."""
        self._words, self._passes_words = words, passes

    def answer(self) -> None:
        """Forward again what connects from now on."""
        self.silenced.clear()

    def run(self) -> None:
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            if self.silenced.is_set():
                continue
            server = socket.create_connection(self.server)
            self._sockets.append(server)
            for source, target, is_client in ((client, server, True), (server, client, False)):
                arguments = (source, target, is_client, self._generation)
                threading.Thread(target=self._forward, args=arguments, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, is_client: bool, generation: int) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                is_last = is_client and self._words is not None and self._words in data
                if is_last:
                    self._words = None
                    if self._passes_words and generation == self._generation:
                        self.silence()
                        target.sendall(data)
                    self.silence()
                if generation == self._generation:
                    target.sendall(data)
            if generation == self._generation:
                target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        for each in (self.listener, *self._sockets):
            each.close()


@contextmanager
def proxy_of(url: str) -> Iterator[Proxy]:
    """A proxy before the server of a URL."""
    parsed = make_url(url)
    proxy = Proxy((parsed.host or "127.0.0.1", parsed.port or 5432))
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()

"""Large files read ahead by a second process, so that reading and posting use two cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from ledger.config import Config
from ledger.errors import LedgerError
from ledger.intake.containers.lines import FileLines, LineChunk
from ledger.intake.containers.source import Source, open_source
from ledger.intake.labels import Resolver, RunOptions
from ledger.intake.portions.portion import Portion, portions, without_collector

# Below that many bytes starting a process takes longer than it saves.
WORTHWHILE_BYTES = 48 * 2**20


def is_worthwhile(source: Source) -> bool:
    """Tells whether a second process helps: a large plain file, and a core for it."""
    path = Path(source.name)
    return (os.cpu_count() or 1) > 1 and path.is_file() and path.stat().st_size >= WORTHWHILE_BYTES


class PortionsAhead(Iterator[Portion]):
    """Portions of a source, read by a second process from now on; LedgerError where that fails."""

    def __init__(self, source: Source, input_format: str, options: RunOptions, config: Config) -> None:
        context = multiprocessing.get_context("spawn")
        self._name = source.name
        self._receiving, sending = context.Pipe(duplex=False)
        reading = (sending, source.name, input_format, options, config)
        self._process = context.Process(target=_read, args=reading, daemon=True)
        self._process.start()
        sending.close()
        import numpy as np  # noqa: F401 - what is received has arrays; meanwhile the process starts

    def __next__(self) -> Portion:
        try:
            sent = self._receiving.recv()
        except (EOFError, OSError):  # nothing more came, or half of a portion
            said = f"{self._name}: the process that read it ended early: run the same command again"
            raise LedgerError(said) from None
        if isinstance(sent, str):
            raise LedgerError(sent)
        if sent is None:
            raise StopIteration
        return sent  # type: ignore[no-any-return]

    def close(self) -> None:
        """Ends the process, whatever it has still to read."""
        self._receiving.close()
        self._process.terminate()
        self._process.join()


def _read(connection: Connection, name: str, input_format: str, options: RunOptions, config: Config) -> None:
    """Sends each portion, then nothing, or an error's words: the second process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the first process, which ends this one
    with suppress(BrokenPipeError):
        try:
            with without_collector(), open_source(name) as source:
                for portion in portions(source, input_format, Resolver(options, config)):
                    if isinstance(portion.chunk, LineChunk) and source.text_start is not None:
                        portion.chunk = FileLines.of(portion.chunk, name, source.text_start)
                    connection.send(portion)
        except OSError as error:
            connection.send(f"{name}: {error.strerror or error}")
        else:
            connection.send(None)

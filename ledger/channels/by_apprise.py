"""Messages to whatever `apprise` reaches, an extra."""

from __future__ import annotations

import logging

from ledger.channels.message import Message, NotDelivered
from ledger.errors import LedgerError


def refuse_missing_apprise() -> None:
    """Refuses a channel of kind apprise where the library isn't installed."""
    try:
        import apprise  # noqa: F401
    except ImportError:
        raise LedgerError(
            "a channel of kind apprise needs the library of that name: pip install 'tollbook[notify]'"
        ) from None


def send_by_apprise(url: str, message: Message) -> None:
    """Sends a message to an address of apprise; NotDelivered where it says no."""
    import apprise
    from apprise.attachment.memory import AttachMemory

    # Its log may name addresses.
    logging.getLogger(apprise.logger.name).setLevel(logging.CRITICAL + 1)
    service = apprise.Apprise()
    if not service.add(url):
        raise NotDelivered("apprise doesn't know an address of that form: check the variable of url_env")
    # What a service would take for a mention stays text.
    title, body = (text.replace("@", "@\u200b") for text in (message.heading, message.body))
    page = message.attachment
    attached = None
    if page is not None:
        attached = AttachMemory(page.html, name=page.name, mimetype="text/html")  # type: ignore[no-untyped-call]
    if not service.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT, attach=attached):
        raise NotDelivered("apprise says that it wasn't delivered")

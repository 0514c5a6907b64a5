"""Bodies and headers of messages that are posted: for programs, for Slack, and for Feishu or Lark."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from ledger.channels.message import Message
from ledger.channels.settings import signing_key

# Slack reads <!here>, <@U1> and <https://…|…> in any text.
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def webhook_post(message: Message, secret: str | None, now_seconds: int) -> tuple[bytes, dict[str, str]]:
    """Returns JSON and the headers of Standard Webhooks (https://www.standardwebhooks.com), signed by the secret.

    Signed is `ID.SECONDS.BODY`, so that neither can be exchanged, nor sent again later.
    """
    page = {} if message.attachment is None else {"page_html": message.attachment.html}
    facts = {**message.facts, **page, "title": message.title, "text": message.body}
    body = msgspec.json.encode({"schema": 1, "event_id": message.event_id, **facts})
    headers = {"webhook-id": message.event_id, "webhook-timestamp": str(now_seconds)}
    if secret is not None:
        signed = b".".join([message.event_id.encode(), str(now_seconds).encode(), body])
        headers["webhook-signature"] = f"v1,{_signature(signing_key(secret), signed)}"
    return body, headers


def slack_post(message: Message) -> bytes:
    """Returns the JSON of an incoming webhook; names in it are neither markup nor mentions."""
    text = f"{message.heading}\n{message.body}".translate(_SLACK)
    return msgspec.json.encode({"text": text, "mrkdwn": False, "link_names": False, "unfurl_links": False})


def feishu_post(message: Message, secret: str | None, now_seconds: int) -> bytes:
    """Returns the JSON of a custom bot, signed where it has a secret; its text elements know no markup."""
    lines = [[{"tag": "text", "text": line}] for line in message.body.split("\n")]
    content = {"post": {"zh_cn": {"title": message.heading, "content": lines}}}
    document: Mapping[str, object] = {"msg_type": "post", "content": content}
    if secret is None:
        return msgspec.json.encode(document)
    # The key is the time and the secret, and what is signed is nothing.
    sign = _signature(f"{now_seconds}\n{secret}".encode(), b"")
    return msgspec.json.encode({"timestamp": str(now_seconds), "sign": sign, **document})


def _signature(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()

"""Sending a message over a channel; what fails says why, without an address."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from ledger.channels.forms import feishu_post, slack_post, webhook_post
from ledger.channels.message import Message, NotDelivered
from ledger.channels.settings import Address, Channel
from ledger.logs import logger_of
from ledger.web import PatientRetry, failure_words

LOG = logger_of("channels")
ATTEMPTS = 3
MOST_ANSWER_BYTES = 65_536
# Feishu's own codes, in an answer of 200.
_FEISHU = {
    19021: "the signature is wrong or this machine's clock is: check the variable of secret_env",
    19022: "this machine's address isn't among those that the bot allows",
    19024: "the bot wants a keyword: let it be tollbook",
}


def send(channel: Channel, address: Address, message: Message) -> None:
    """Sends a message; NotDelivered where it didn't arrive, or may not have."""
    now_seconds = int(time.time())
    if channel.kind == "apprise":
        from ledger.channels.by_apprise import send_by_apprise  # an extra

        send_by_apprise(address.url, message)
    elif channel.kind == "slack":
        _post(channel, address, slack_post(message), {})
    elif channel.kind == "feishu":
        answer = _post(channel, address, feishu_post(message, address.secret, now_seconds), {})
        _check_feishu(answer)
    else:
        _post(channel, address, *webhook_post(message, address.secret, now_seconds))


def _post(channel: Channel, address: Address, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Posts a body, in several attempts while the host can't be reached or asks for patience; returns the answer."""
    with requests.Session() as session:
        session.headers.update({"User-Agent": "tollbook", "Content-Type": "application/json; charset=utf-8"})
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=_retries()))
        try:
            # A redirect isn't followed: the message is for this address alone.
            with session.post(
                address.url,
                data=body,
                headers=headers,
                timeout=channel.timeout_seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                told = {"channel": channel.name, "status": response.status_code}
                LOG.info("channel %(channel)s: its host answered %(status)d to a post", told)
                _check_status(response.status_code)
                return response.raw.read(MOST_ANSWER_BYTES, decode_content=True) or b""
        except (requests.RequestException, HTTPError) as error:
            raise NotDelivered(f"the channel's host {failure_words(error)}") from None


def _retries() -> PatientRetry:
    """Retries what surely wasn't taken: no connection came about, or the host refused with 429 or 503.

    What may have been is left to the next run: after a timeout or another 5xx a chat may show it already.
    """
    return PatientRetry(
        total=ATTEMPTS - 1,
        read=False,
        other=0,
        backoff_factor=0.5,
        allowed_methods={"POST"},
        status_forcelist={429, 503},
        raise_on_status=False,
    )


def _check_status(status: int) -> None:
    if 300 <= status < 400:
        raise NotDelivered(f"the channel's host answered {status}, that it has moved: give the address it moved to")
    if not 200 <= status < 300:
        raise NotDelivered(f"the channel's host answered {status}")


def _check_feishu(answer: bytes) -> None:
    """Refuses an answer of 200 that says otherwise."""
    try:
        document: Any = msgspec.json.decode(answer)
    except (ValueError, RecursionError):
        document = None
    code = document.get("code", document.get("StatusCode")) if isinstance(document, dict) else None
    if type(code) is not int:
        raise NotDelivered("the channel's host answered without Feishu's code: check the variable of url_env")
    if code != 0:
        hint = f": {_FEISHU[code]}" if code in _FEISHU else ""
        raise NotDelivered(f"Feishu answered code {code}{hint}")

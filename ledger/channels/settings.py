"""`[[channel]]`: the names of channels, and the environment variables that hold their addresses and secrets."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias, get_args
from urllib.parse import urlsplit

import msgspec

from ledger.errors import LedgerError
from pricing.errors import joined_key, shown
from pricing.names import did_you_mean, with_question

Kind: TypeAlias = Literal["stdout", "webhook", "slack", "feishu", "apprise"]

KINDS: tuple[Kind, ...] = get_args(Kind)
SIGNED = ("webhook", "feishu")
DEFAULT_SECONDS = 10
MOST_SECONDS = 60
_WHSEC = "whsec_"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)


class ChannelEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One `[[channel]]` as the file has it. `url` and `secret` are there to be refused with a word on what to do."""

    name: str
    kind: str
    url_env: Any = None
    secret_env: Any = None
    timeout: Any = DEFAULT_SECONDS
    url: Any = None
    secret: Any = None


class PageSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[page]`: the address at which the page of a month can be read, with {month} where that has the month."""

    url: str | None = None


class Channel(NamedTuple):
    """A way to tell somebody; `timeout_seconds` is for connecting, and for the answer."""

    name: str
    kind: Kind
    url_variable: str = ""
    secret_variable: str | None = None
    timeout_seconds: int = DEFAULT_SECONDS


STANDARD_OUTPUT = Channel("standard output", "stdout")


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a channel and the secret that it is signed by: never shown, never stored."""

    url: str = field(repr=False)
    secret: str | None = field(repr=False)


def read_channel(entry: ChannelEntry, key: str) -> Channel:
    """Reads an entry; LedgerError names its key, such as channel[0], and no value that may be a secret."""

    def refused(name: str, words: str) -> LedgerError:
        return LedgerError(f"{joined_key(key, name)}: {words}")

    for name in ("url", "secret"):
        if getattr(entry, name) is not None:
            raise refused(name, f"secrets don't belong in this file: put it into a variable and give {name}_env")
    if not 1 <= len(entry.name) <= 200:
        raise refused("name", "give 1 to 200 characters")
    if entry.kind not in KINDS:
        words = with_question(did_you_mean(entry.kind, KINDS), f"give one of {', '.join(KINDS)}")
        raise refused("kind", f"{shown(entry.kind, 20)} is no kind of channel: {words}")
    if type(entry.timeout) is not int or not 1 <= entry.timeout <= MOST_SECONDS:
        raise refused("timeout", f"give whole seconds from 1 to {MOST_SECONDS}")
    for name, has_use in (("url_env", entry.kind != "stdout"), ("secret_env", entry.kind in SIGNED)):
        variable = getattr(entry, name)
        if variable is not None and not has_use:
            raise refused(name, f"a channel of kind {entry.kind} has none; leave it out")
        if variable is not None and not (isinstance(variable, str) and _VARIABLE.fullmatch(variable)):
            raise refused(name, "isn't the name of an environment variable; give one such as OPS_URL")
    if entry.url_env is None and entry.kind != "stdout":
        raise refused("url_env", "is missing; give the name of the environment variable that holds its address")
    return Channel(entry.name, entry.kind, entry.url_env or "", entry.secret_env, entry.timeout)


def check_page(page: PageSection) -> None:
    """Refuses an address of pages that readers couldn't open, or that holds a password."""
    url = page.url
    if url is None:
        return
    if not url.isprintable() or " " in url or not _is_address(url):
        raise LedgerError(f"page.url: {shown(url)} is no address: give one such as https://example.com/{{month}}.html")
    if "@" in urlsplit(url).netloc:
        raise LedgerError("page.url: has a user or password: secrets don't belong in this file, leave it out")
    if set("{}") & set(url.replace("{month}", "")):
        raise LedgerError(f"page.url: {shown(url)} has braces other than {{month}}, which stands for the month")


def read_address(channel: Channel, environment: Mapping[str, str]) -> Address:
    """Reads the address and the secret of a channel that has one from their variables."""
    url = _value(channel, channel.url_variable, environment)
    if channel.kind == "apprise":
        from ledger.channels.by_apprise import refuse_missing_apprise  # an extra

        refuse_missing_apprise()
    else:
        _check_url(channel, url)
    if channel.secret_variable is None:
        return Address(url, None)
    secret = _value(channel, channel.secret_variable, environment)
    try:
        signing_key(secret)
    except ValueError:
        message = f"channel {shown(channel.name)}: {channel.secret_variable} begins with {_WHSEC} and isn't in base64"
        raise LedgerError(f"{message}: set it to the secret as it was given") from None
    return Address(url, secret)


def signing_key(secret: str) -> bytes:
    """Returns the bytes of a secret: those of a `whsec_` one are in base64, those of another its own."""
    if not secret.startswith(_WHSEC):
        return secret.encode()
    return base64.b64decode(secret.removeprefix(_WHSEC) + "==")


def _value(channel: Channel, variable: str, environment: Mapping[str, str]) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise LedgerError(f"channel {shown(channel.name)}: {variable} isn't set in the environment: set it")
    return value


def _check_url(channel: Channel, url: str) -> None:
    if not _is_address(url):
        message = f"channel {shown(channel.name)}: {channel.url_variable} holds no address"
        # Its words would show the address.
        raise LedgerError(f"{message}: set it to one that begins with https:// or http://")


def _is_address(url: str) -> bool:
    if any(character.isspace() or not character.isprintable() for character in url):
        return False  # urlsplit leaves them out, and whoever is asked then refuses the rest
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False

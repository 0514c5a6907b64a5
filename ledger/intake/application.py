"""Usage straight out of a running application: booked at once, or as a line to ingest later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ledger.book.posting import Run
from ledger.config import load_config
from ledger.errors import LedgerError
from ledger.intake.fields.kinds import carries_usage, named_kind
from ledger.intake.fields.record import IGNORED, Ignored, Item, Parsed, RecordError, Rejected, UsageRecord
from ledger.intake.fields.record_fields import to_fields
from ledger.intake.fields.values import read_text
from ledger.intake.formats.registry import FORMATS, recognise, unrecognised
from ledger.intake.pipeline import Intake
from ledger.intake.portions.labels import Resolver, RunOptions
from ledger.intake.quarantine import hold
from ledger.store import forks
from ledger.store.opening import open_ledger
from pricing.money import format_nano


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one response: `status` is accepted, duplicate, conflict, rejected, pending or ignored.

    `amount` is a plain decimal in `currency` where it was accepted; `reason` and `message` say why it was held back.
    Ignored is an answer of a proxy's own cache: nothing was bought.
    """

    status: str
    amount: str | None = None
    currency: str | None = None
    reason: str | None = None
    message: str | None = None


class Ledger:
    """Books SDK responses into the ledger of a URL, made on first use. Safe to share between threads and across forks.

    Nothing of a response is kept but its id, time, models, status, service tier and counts, and the tags given.
    """

    def __init__(self, url: str, *, provider: str | None = None, source: str | None = None) -> None:
        """Open the ledger; `source` names the stream that response ids are unique in (default: the provider)."""
        try:
            self._config = load_config(Path.cwd())
            section = self._config.ledger
            self._database = open_ledger(url, create=True, timezone=section.timezone, rollup_tags=section.rollup_tags)
        except OSError as error:
            raise LedgerError(f"{error.filename or 'the working directory'}: {error.strerror or error}") from error
        self._provider = provider
        self._source = source
        self._lock = forks.Lock()

    def close(self) -> None:
        """Let go of the database's connections; recording again opens new ones."""
        self._database.close()

    def record(
        self,
        response: object,
        *,
        requested_model: str | None = None,
        project: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Recorded:
        """Book one response (an SDK object or a dict) at once; the same response again is a `duplicate`.

        What can't be booked is quarantined and told in the result, not raised; LedgerError is for the ledger itself.
        """
        parsed, raw = _parse(response, requested_model)
        options = RunOptions(self._provider, self._source, project or None, _texts(tags))
        with self._lock, self._database.writing() as connection:
            intake = Intake(self._database, self._config, options, Run("record"))
            intake.prepare(connection)
            portion = intake.resolve([Item(1, raw, parsed)])
            rated = intake.rate(portion)
            posted = intake.post(connection, rated, portion)
            hold(connection, "(application)", portion.held, options)
        if portion.held:
            first = portion.held[0]
            status = "conflict" if first.reason == "conflict" else "rejected"
            return Recorded(status, reason=first.reason, message=first.message)
        if isinstance(parsed, Ignored):
            return Recorded("ignored", reason=parsed.reason, message=IGNORED[parsed.reason])
        if not rated.facts:
            return Recorded("pending")
        if posted.outcomes[0] != "accepted":
            return Recorded(posted.outcomes[0])
        return Recorded("accepted", format_nano(rated.amount_nano[0]), rated.currency[0])


def usage_record(
    response: object,
    *,
    requested_model: str | None = None,
    project: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One line for `tollbook ingest`, format `records`: nothing of the payload but ids, times, names and counts.

    Of metadata, `project` and the keys of `keep_tags` (tollbook.toml in the working directory) go in, as when the
    response itself is ingested. Raises LedgerError where the response has no usage to record, naming what is missing.
    """
    parsed, _raw = _parse(response, requested_model)
    if isinstance(parsed, Rejected):
        raise LedgerError(parsed.message)
    if isinstance(parsed, Ignored):
        raise LedgerError(f"the response was {IGNORED[parsed.reason]}: there is nothing to record")
    if not isinstance(parsed, UsageRecord):
        raise LedgerError("the response is not finished: record it once it is completed")
    resolver = Resolver(RunOptions(project=project or None, tags=_texts(tags)), load_config(Path.cwd()))
    try:
        parsed.project, parsed.tags = resolver.stated_project(parsed), resolver.tags(parsed)
    except RecordError as error:
        raise LedgerError(str(error)) from error
    return dict(to_fields(parsed))


def _texts(tags: Mapping[str, str] | None) -> dict[str, str]:
    for pair in (tags or {}).items():
        if not all(isinstance(text, str) for text in pair):
            raise LedgerError(f"tag {pair[0]!r} is {pair[1]!r}: keys and values of tags are texts")
    return dict(tags or {})


def _parse(response: object, requested_model: str | None) -> tuple[Parsed, bytes]:
    """What the formats make of an SDK object or dict, and bytes to know it by."""
    payload = dict(response) if isinstance(response, Mapping) else _dump(response)
    name = recognise(payload)
    if name in ("responses", "chat"):
        (parsed,) = FORMATS[name].parse(payload)
    elif name is None and (named_kind(payload) is not None or carries_usage(payload)):
        error = unrecognised(payload)
        parsed = Rejected(error.reason, str(error))
    else:
        raise LedgerError(
            f"a {type(response).__name__} is no Responses or Chat Completions object: pass the SDK's response"
        )
    if isinstance(parsed, UsageRecord) and requested_model is not None:
        try:
            parsed.requested_model = read_text(requested_model, "requested_model")
        except RecordError as error:
            raise LedgerError(str(error)) from error
    return parsed, _bytes_of(payload)


def _bytes_of(payload: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(payload, order="sorted")
    except (TypeError, ValueError, OverflowError, RecursionError):
        # No JSON: an object of the SDK in a plain dict, half a surrogate pair. It only has to be the same each time.
        return repr(payload).encode(errors="surrogatepass")


def _dump(response: object) -> dict[str, Any]:
    dump = getattr(response, "model_dump", None)
    if not callable(dump):
        raise LedgerError(f"a {type(response).__name__} is neither a mapping nor an SDK response with model_dump()")
    payload = dump(mode="json")
    if not isinstance(payload, dict):
        raise LedgerError(f"model_dump() of a {type(response).__name__} gave no mapping")
    return payload

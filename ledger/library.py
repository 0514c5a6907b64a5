"""A ledger as running programs hold it: responses booked at once, and reports as typed rows."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Self

from ledger.config import database_url, load_config
from ledger.errors import DatabaseFailure, LedgerError
from ledger.intake.application import Recorded
from ledger.intake.calls import Call, read_call
from ledger.intake.labels import Resolver, RunOptions
from ledger.live.awaited import abook
from ledger.live.outbox import EXIT_SECONDS, NOTHING, Outbox
from ledger.live.spool import Spool
from ledger.reports.report import ReportOptions, run_report
from ledger.reports.rows import ReportRows, typed_rows
from ledger.reports.selection import Basis
from ledger.store.actor import stated_actor
from ledger.store.database import Database
from ledger.store.opening import open_ledger
from ledger.store.urls import masked, parse_url
from ledger.whatif.changes import Asked
from ledger.whatif.rows import WhatIfRows
from ledger.whatif.rows import typed_rows as typed_whatif
from ledger.whatif.whatif import run_whatif

MAX_TIMEOUT = 86_400


class Ledger:
    """Books SDK responses into the ledger of a URL, made on first use. Safe to share between threads and across forks.

    Without a URL it is that of TOLLBOOK_DB, else of tollbook.toml, as on the command line. Nothing of a response is
    kept but its id, time, models, status, service tier and counts, and the tags given.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        provider: str | None = None,
        source: str | None = None,
        actor: str | None = None,
        timeout: float = 30,
        spool: str | Path | None = None,
        buffer: float = 0,
    ) -> None:
        """Opens the ledger; `source` names the stream that response ids are unique in (default: the provider).

        `actor` is who books, for the log (default: TOLLBOOK_ACTOR, else the system's and the database's user). No call
        that books takes longer than `timeout` seconds. What isn't booked by then goes to the file `spool`, if one
        is named, and is booked from there later; a database that is away is no error then.

        With `buffer`, the most seconds that a response waits for others to be booked with (True: 1), the calls that
        book don't wait: their results are `buffered`. What waits is lost where the process is killed.
        """
        self._timeout = _seconds(timeout)
        self._buffer = _seconds(float(buffer) if isinstance(buffer, bool) else buffer, "buffer")
        try:
            self._config = load_config(Path.cwd())
            section = self._config.ledger
            Resolver(RunOptions(provider, source), self._config)
            self._url = database_url(url, self._config)
            self._name = masked(parse_url(self._url))
            opened = partial(
                open_ledger,
                self._url,
                create=True,
                timezone=section.timezone,
                rollup_tags=section.rollup_tags,
                actor=stated_actor(actor, "actor"),
            )
            kept = None if spool is None else Spool(Path(spool).absolute())
            self._outbox = Outbox(opened, self._config, kept)
            # Whoever lets go of a ledger lets go of its connection, without having to say so.
            weakref.finalize(self, self._outbox.stop).atexit = False
            if self._buffer:
                self._outbox.exit_seconds = max(self._timeout, EXIT_SECONDS)
            self._outbox.book(NOTHING, self._timeout)
        except DatabaseFailure:
            if spool is None:
                raise
        except OSError as error:
            raise LedgerError(f"{error.filename or 'the working directory'}: {error.strerror or error}") from error
        self._provider = provider
        self._source = source
        self._reports: Database | None = None
        self._closed = False

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Ledger {self._name}{', closed' if self._closed else ''}>"

    def close(self) -> None:
        """Closes the ledger, once what is under way is done; it refuses all calls from then on.

        DatabaseFailure where buffered responses can be neither booked nor spooled.
        """
        self._closed = True
        try:
            self._outbox.close(self._timeout)
        finally:
            if self._reports is not None:
                self._reports.close()

    @property
    def counts(self) -> dict[str, int]:
        """Counts responses so far by status, with those `waiting` now and those `drained` from the spool."""
        return {**self._outbox.counts, "waiting": self._outbox.waiting}

    def flush(self, timeout: float | None = None) -> bool:
        """Books what waits, in the spool too; returns whether nothing is left."""
        self._check_open()
        return self._outbox.flush(self._seconds(timeout))

    def record(
        self,
        response: object,
        *,
        requested_model: str | None = None,
        project: str | None = None,
        tags: Mapping[str, object] | None = None,
        occurred_at: datetime | str | None = None,
        timeout: float | None = None,
    ) -> Recorded:
        """Books one response (an SDK object or a dict) at once; the same response again is a `duplicate`.

        `occurred_at` comes before the response's own time; those of Anthropic, and most of Gemini's, state none.
        What can't be booked, whatever it is, goes to quarantine and the result says why. LedgerError is for the
        ledger itself: closed, or (DatabaseFailure) away or silent for `timeout` seconds (default: the ledger's).
        """
        call = self._read([response], requested_model, project, tags, occurred_at)
        return self._book(call, timeout)[0]

    def record_many(
        self,
        responses: Iterable[object],
        *,
        requested_model: str | None = None,
        project: str | None = None,
        tags: Mapping[str, object] | None = None,
        occurred_at: datetime | str | None = None,
        timeout: float | None = None,
    ) -> list[Recorded]:
        """Books responses in one transaction, all or none where the database fails; the results in their order."""
        if isinstance(responses, (Mapping, str, bytes)) or hasattr(responses, "model_dump"):
            raise LedgerError(f"record_many takes a list of responses: pass one {type(responses).__name__} to record")
        call = self._read(list(responses), requested_model, project, tags, occurred_at)
        return self._book(call, timeout)

    async def arecord(
        self,
        response: object,
        *,
        requested_model: str | None = None,
        project: str | None = None,
        tags: Mapping[str, object] | None = None,
        occurred_at: datetime | str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - what it bounds isn't cancelled: it is spooled
    ) -> Recorded:
        """Books one response as `record` does, while the event loop goes on; where this is cancelled too."""
        call = self._read([response], requested_model, project, tags, occurred_at)
        if not self._buffer:
            [told] = await abook(self._outbox, call, self._seconds(timeout))
        elif self._outbox.has_room(len(call.items)):
            [told] = self._book(call, timeout)
        else:
            [told] = await asyncio.to_thread(self._book, call, timeout)
        return told

    def _book(self, call: Call, timeout: float | None) -> list[Recorded]:
        if self._buffer:
            return self._outbox.buffer(call, self._seconds(timeout), self._buffer)
        return self._outbox.book(call, self._seconds(timeout))

    def _read(
        self, responses: Sequence[object], requested_model: object, project: object, tags: object, occurred_at: object
    ) -> Call:
        self._check_open()
        return read_call(
            responses,
            provider=self._provider,
            source=self._source,
            requested_model=requested_model,
            project=project,
            tags=tags,
            occurred_at=occurred_at,
        )

    def report(
        self,
        by: str | Sequence[str] = ("model",),
        *,
        month: str | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        last: str | None = None,
        timezone: str | None = None,
        basis: Basis = "posted",
        project: str | Sequence[str] = (),
        model: str | Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> ReportRows:
        """Sums what was spent, as `tollbook report` does with the options of the same names."""
        options = ReportOptions(
            _texts(by),
            month=month,
            since=_time(since),
            until=_time(until),
            last=last,
            timezone=timezone,
            basis=basis,
            projects=_texts(project),
            models=_texts(model),
            tags=[f"{key}={value}" for key, value in (tags or {}).items()],
        )
        return typed_rows(run_report(self._database, options, now=datetime.now(UTC)))

    def whatif(
        self,
        month: str,
        *,
        model: Mapping[str, str] | None = None,
        rates: str | Path | Sequence[str | Path] = (),
        per_usd: str | Decimal | int | None = None,
        service_tier: str | None = None,
        cap_input: int | None = None,
        provider: str | None = None,
    ) -> WhatIfRows:
        """Prices a month's usage otherwise, as `tollbook whatif` does with the options of the same names.

        `model` maps models to those that their requests are priced as. Nothing is posted.
        """
        files = (rates,) if isinstance(rates, (str, Path)) else rates
        asked = Asked(
            tuple((model or {}).items()),
            tuple(map(str, files)),
            None if per_usd is None else str(per_usd),
            service_tier,
            cap_input,
            provider,
        )
        return typed_whatif(run_whatif(self._database, month, asked, now=datetime.now(UTC)))

    @property
    def _database(self) -> Database:
        """The ledger to read, on a connection apart from the outbox's, which is cut where it stops answering."""
        self._check_open()
        if self._reports is None:
            self._reports = open_ledger(self._url)
        return self._reports

    def _seconds(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else _seconds(timeout)

    def _check_open(self) -> None:
        if self._closed:
            raise LedgerError(f"the ledger {self._name} is closed: open it again with Ledger(url)")


def _seconds(number: object, name: str = "timeout") -> float:
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= MAX_TIMEOUT:
        raise LedgerError(f"{name} {number!r} isn't a number of seconds up to a day: give one such as 30")
    return number


def _texts(names: str | Sequence[str]) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names


def _time(moment: str | date | None) -> str | None:
    return moment.isoformat() if isinstance(moment, date) else moment

"""A ledger as running programs hold it: responses booked at once, and reports as typed rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from ledger.config import database_url, load_config
from ledger.errors import LedgerError
from ledger.intake.application import Recorded, record_all
from ledger.intake.labels import Resolver, RunOptions
from ledger.reports.report import ReportOptions, run_report
from ledger.reports.rows import ReportRows, typed_rows
from ledger.reports.selection import Basis
from ledger.store import forks
from ledger.store.actor import stated_actor
from ledger.store.database import Database
from ledger.store.opening import open_ledger


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
    ) -> None:
        """Opens the ledger; `source` names the stream that response ids are unique in (default: the provider).

        `actor` is who books, for the log (default: TOLLBOOK_ACTOR, else the system's and the database's user).
        """
        try:
            self._config = load_config(Path.cwd())
            section = self._config.ledger
            Resolver(RunOptions(provider, source), self._config)
            self._database = open_ledger(
                database_url(url, self._config),
                create=True,
                timezone=section.timezone,
                rollup_tags=section.rollup_tags,
                actor=stated_actor(actor, "actor"),
            )
        except OSError as error:
            raise LedgerError(f"{error.filename or 'the working directory'}: {error.strerror or error}") from error
        self._provider = provider
        self._source = source
        self._lock = forks.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Ledger {self._database.url}{', closed' if self._closed else ''}>"

    def close(self) -> None:
        """Closes the ledger, once what is under way is done; it refuses all calls from then on."""
        with self._lock:
            self._closed = True
            self._database.close()

    def record(
        self,
        response: object,
        *,
        requested_model: str | None = None,
        project: str | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> Recorded:
        """Books one response (an SDK object or a dict) at once; the same response again is a `duplicate`.

        What can't be booked, whatever it is, goes to quarantine and the result says why. LedgerError is for the
        ledger itself: closed, or (DatabaseFailure) away.
        """
        return self.record_many([response], requested_model=requested_model, project=project, tags=tags)[0]

    def record_many(
        self,
        responses: Iterable[object],
        *,
        requested_model: str | None = None,
        project: str | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> list[Recorded]:
        """Books responses in one transaction, all or none where the database fails; the results in their order."""
        if isinstance(responses, (Mapping, str, bytes)) or hasattr(responses, "model_dump"):
            raise LedgerError(f"record_many takes a list of responses: pass one {type(responses).__name__} to record")
        given = list(responses)
        with self._lock:
            database = self._open()
            return record_all(
                database,
                self._config,
                given,
                provider=self._provider,
                source=self._source,
                requested_model=requested_model,
                project=project,
                tags=tags,
            )

    async def arecord(
        self,
        response: object,
        *,
        requested_model: str | None = None,
        project: str | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> Recorded:
        """Books one response as `record` does, in a thread, while the event loop goes on."""
        return await asyncio.to_thread(
            self.record, response, requested_model=requested_model, project=project, tags=tags
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
        return typed_rows(run_report(self._open(), options, now=datetime.now(UTC)))

    def _open(self) -> Database:
        if self._closed:
            raise LedgerError(f"the ledger {self._database.url} is closed: open it again with Ledger(url)")
        return self._database


def _texts(names: str | Sequence[str]) -> Sequence[str]:
    return (names,) if isinstance(names, str) else names


def _time(moment: str | date | None) -> str | None:
    return moment.isoformat() if isinstance(moment, date) else moment

"""A lake looked at whole: its manifests, files, charges, sums, requests, and what was posted of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from ledger.audit.lake.charges import PinnedCharges
from ledger.audit.lake.files import Checked, check_files, read_chain
from ledger.audit.lake.posted import PostedSums, check_batches
from ledger.audit.lake.sums import check_identities, check_sums
from ledger.audit.verification import Verification
from ledger.errors import LedgerError
from ledger.lake.local import duckdb_at
from ledger.lake.store import open_lake
from ledger.store.database import Database
from ledger.values.calendar import Calendar
from pricing.errors import PricingError

_UNREADABLE = (LedgerError, PricingError, OSError, OverflowError, pa.ArrowException, duckdb.Error)


@dataclass
class LakeVerified:
    """The checks of a lake, and the numbers of the manifests whose sums aren't in the ledger."""

    result: Verification = field(default_factory=Verification)
    unposted: list[int] = field(default_factory=list)


def verify_lake(database: Database, name: str, *, month: str | None = None, sample: int | None = None) -> LakeVerified:
    """Checks a lake, or with `month` the manifests of its usage; nothing is changed.

    `sample` charges of each manifest are priced again, all without it. The chain, and that no request is accepted
    twice, are of the whole lake.
    """
    lake = open_lake(name, making=False)
    verified = LakeVerified()
    result = verified.result
    chain = read_chain(lake, result)
    asked = [each for each in chain if month is None or each[0].month == month]
    checked = [check_files(lake, manifest, digest, result) for manifest, digest in asked]
    whole = [each for each in checked if each.is_whole and _is_of_zone(each, database, result)]
    with database.reading() as connection:
        calendar = Calendar(database.zone)
        pinned = PinnedCharges(connection, calendar, result)
        posted = PostedSums(connection, lake, calendar)
        with _telling(result, "what was posted of it") as tell:
            tell(check_batches(connection, lake, [digest for _manifest, digest in chain]))
        for each in whole:
            with _telling(result, f"{each.name}: its sums") as tell:
                tell(posted.check(each))
    verified.unposted = posted.unposted
    result.checked["posted sums"] += posted.count
    others = [file.path for manifest, digest in chain if (manifest, digest) not in asked for file in manifest.charges]
    known = [path for each in checked for path, _rows in each.charges]
    with tempfile.TemporaryDirectory(prefix="tollbook-") as folder, duckdb_at(Path(folder), lake) as engine:
        for each in whole:
            result.checked["charges"] += sum(rows for _path, rows in each.charges)
            result.checked["sums"] += sum(rows for _path, rows in each.cells)
            with _telling(result, f"{each.name}: its charges") as tell:
                tell(check_sums(engine, lake, each))
            with _telling(result, f"{each.name}: prices of its charges"):
                pinned.check(engine, lake, each, sample)
        with _telling(result, "its requests") as tell:
            tell(check_identities(engine, lake, [*known, *others]))
    return verified


def _is_of_zone(checked: Checked, database: Database, result: Verification) -> bool:
    stated = checked.manifest.timezone
    if stated != database.zone_name:
        result.problem(f"{checked.name}: its months are of {stated}, the ledger's of {database.zone_name}")
    return stated == database.zone_name


@contextmanager
def _telling(result: Verification, what: str) -> Iterator[Callable[[Iterable[str]], None]]:
    """Runs a check and gives what notes the problems it yields; what it can't read is one, and the next goes on."""

    def tell(problems: Iterable[str]) -> None:
        for problem in problems:
            result.problem(problem)

    try:
        yield tell
    except _UNREADABLE as error:
        result.problem(f"{what} can't be checked: {str(error).splitlines()[0]}")

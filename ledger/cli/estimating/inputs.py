"""Inputs of estimates besides the prompts: counting, means and profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ledger.cli.app import App
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.estimates.history.means import Means
    from ledger.estimates.history.profile import Profile
    from pricing.estimating.calibration import Calibration


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """Options of every estimate as they were given; None where one wasn't."""

    profile: str | None
    calibration: str | None
    encoding: str | None
    provider: str | None
    rates: Sequence[str]
    at: str | None


SHARED = tuple(field.name for field in fields(SharedOptions))


@dataclass(frozen=True, kw_only=True)
class EstimateOptions(SharedOptions):
    """Options of an estimate of the workloads that `config` has."""

    config: str


def moment_of(at: str | None) -> datetime:
    """The time of `--at`, now without it."""
    if at is None:
        return datetime.now(UTC)
    from ledger.values.periods import parse_moment

    return parse_moment(at, UTC, "--at")


def counting_of(encoding: str | None, calibration: str | None) -> tuple[str, Calibration | None]:
    """The encoding to count in, and the calibration, which is of one encoding."""
    from pricing.estimating.tokens import DEFAULT_ENCODING, ENCODINGS

    if encoding is not None and encoding not in ENCODINGS:
        raise LedgerError(f"--encoding {encoding!r} is unknown: give {' or '.join(ENCODINGS)}")
    if calibration is None:
        return encoding or DEFAULT_ENCODING, None
    from ledger.estimates.prompts.files import read_calibration

    read = read_calibration(calibration)
    if encoding not in (None, read.encoding):
        raise LedgerError(
            f"--encoding {encoding} and {calibration}, which corrects counts in {read.encoding}, contradict each "
            "other: leave out --encoding, or calibrate for it"
        )
    return read.encoding, read


def profile_of(path: str | None) -> Profile | None:
    """The profile of `--profile FILE`."""
    if path is None:
        return None
    from ledger.estimates.history.profile import read_profile
    from ledger.estimates.prompts.files import read_json

    return read_profile(read_json(path), path)


def means_of(app: App) -> Means | None:
    """Mean output tokens by the ledger in use, None where there is none."""
    if not app.has_ledger:
        return None
    from ledger.estimates.history.means import ledger_means

    return ledger_means(app.open(), now=datetime.now(UTC))

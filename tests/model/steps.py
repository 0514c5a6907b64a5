"""The steps that a script may take, with their arguments: few values, so that they meet each other often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.model.prices import CODE, LITE, MINI, NEXT, PRO, Usage

# The edges of months, and one time apart by less than a second; before the first there is no price.
TIMES = (
    "2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z", "2026-02-14T12:30:00Z", "2026-02-28T23:59:59Z",
    "2026-03-01T00:00:00Z", "2026-03-15T00:00:00Z", "2026-03-15T00:00:00.500Z", "2026-03-31T23:59:59Z",
    "2026-04-10T08:00:00Z", "2026-04-30T23:59:59Z", "2026-05-01T00:00:00Z", "2026-05-31T10:00:00Z",
    "2026-06-05T12:00:00Z",
)  # fmt: skip
STORED = (
    ("2026-02-14T10:00:00Z", "2026-02-14T11:00:00Z"), ("2026-02-28T23:59:59Z", "2026-03-01T00:00:01Z"),
    ("2026-03-31T10:30:00Z", "2026-03-31T12:30:00Z"), ("2026-05-20T00:00:00Z", "2026-05-21T00:00:00Z"),
)  # fmt: skip
# Input, cached, output: the edges of tiers; the last two can't be priced.
TOKENS = (
    (1_000, 3, 50), (0, 0, 3), (31_999, 0, 10), (32_000, 100, 0), (32_001, 1, 7), (32_001, 0, 7), (128_000, 128_000, 1),
    (128_001, 0, 0), (256_000, 3, 128_000), (256_001, 0, 1), (10, 20, 1),
)  # fmt: skip
# Of a request that is recorded: the same one but for a fact, a label, or less than a second.
CHANGES = (
    {"status": "incomplete"}, {"output": 77}, {"cached": 0}, {"input": 32_000}, {"model": CODE}, {"project": "support"},
    {"at": "2026-03-15T00:00:00.500Z"}, {"at": "2026-04-30T23:59:59Z"},
)  # fmt: skip
DAYS = ("2026-02-01", "2026-02-14", "2026-03-01", "2026-03-15", "2026-04-01", "2026-04-10", "2026-05-01", "2026-05-31")
MONTHS = tuple(f"2026-{number:02}" for number in range(2, 7))
IDS = tuple(f"r{number}" for number in range(1, 16))
SOURCES = ("evolink", "batch", "volcengine")
BUDGETS = ("all", "search", MINI)

one_of = st.sampled_from
ids, days, months, budgets, flag = one_of(IDS), one_of(DAYS), one_of(MONTHS), one_of(BUDGETS), st.booleans()
starts = one_of(("2026-02-01", "2026-03-01", "2026-03-15"))  # of prices and conversions: at them there is usage
projects = one_of(("search", "support", "unassigned"))
providers, units = one_of(("evolink", "volcengine")), one_of(("usd", "credits"))
amounts = one_of(("0.01", "3", "12.5", "700", "100000"))
# Which one, counted from the latest, which is 0.
back = st.integers(0, 4)


def _request(
    request_id: str, at: str, model: str, project: str, tokens: tuple[int, int, int], source: str, status: str
) -> Usage:
    return Usage(request_id, at, model, project, tokens[0], tokens[1], tokens[2], source, status)


def _storage(request_id: str, stored: tuple[str, str], model: str, tokens: int) -> Usage:
    return Usage(request_id, stored[0], model, input=tokens, end=stored[1])


statuses = one_of(("completed",) * 6 + ("incomplete", "failed", "in_progress"))
requests = st.builds(
    _request,
    ids,
    one_of(TIMES),
    one_of((PRO, PRO, CODE, LITE, MINI, MINI, NEXT)),
    projects,
    one_of(TOKENS),
    one_of(("evolink", *SOURCES)),
    statuses,
)
storage = st.builds(_storage, ids, one_of(STORED), one_of((PRO, MINI, NEXT)), one_of((1, 1_000_000)))
lines = st.lists(st.one_of(requests, requests, storage), min_size=1, max_size=5)


@dataclass(frozen=True)
class Step:
    """A method of the machine, and its arguments."""

    name: str
    arguments: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"


def _step(method: str, /, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.just(method), st.fixed_dictionaries(arguments))


# One rule takes all of them, by weight: Hypothesis leaves out half of a machine's rules in each of its examples.
_WEIGHED = (
    (4, _step("ingest", files=st.lists(lines, min_size=1, max_size=2))),
    (3, _step("ingest_changed", back=back, changes=one_of(CHANGES))),
    (2, _step("ingest_again", back=back, backwards=flag)),
    (1, _step("retry", back=st.none() | back)),
    (3, _step("accept_conflict", back=back, labels=one_of(("booked", "new")))),
    (1, _step("discard", back=back)),
    (1, _step("void_batch", back=back)),
    (2, _step("void_id", request_id=ids, source=one_of((None, *SOURCES)))),
    (2, _step("reassign", project=projects, to=projects, since=days)),
    (3, _step("reprice", since=days, until=one_of(("2026-03-15", "2027-01-01")), model=one_of((None, PRO, MINI)))),
    (2, _step("undo_reprice", back=back)),
    (2, _step("adjust", project=projects, amount=amounts, negative=flag, unit=units, month=months)),
    (1, _step("adjust_again", changed=flag)),
    (2, _step("add_price", provider=providers, model=one_of((PRO, MINI, NEXT)), level=st.integers(1, 4), start=starts,
              replace=flag)),
    (3, _step("add_conversion", provider=providers, per_usd=one_of(("68", "72", "7.1")), start=starts, replace=flag)),
    (3, _step("close", months=one_of((1, 1, 2)), force=one_of((True, True, False)))),
    (2, _step("reopen")),
    (4, _step("top_up", credits=amounts, day=days, expires=st.none() | days, grant=flag)),
    (1, _step("draw", credits=amounts, day=days)),
    (1, _step("move_again", back=back, changed=flag)),
    (2, _step("set_budget", name=budgets, amount=amounts, unit=units, month=months)),
    (1, _step("remove_budget", back=back, month=months)),
)  # fmt: skip
STEPS = one_of([step for weight, step in _WEIGHED for _ in range(weight)]).flatmap(lambda step: step)

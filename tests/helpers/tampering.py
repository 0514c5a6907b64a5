"""Changes of a ledger's schema behind its back, written down as text, and what `db check` has to say of them."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.conftest import Cli


class Tampering(NamedTuple):
    """Statements and the problem to be named, with … for any words."""

    name: str
    statements: list[str]
    problem: str

    def __str__(self) -> str:
        return self.name


def tamperings(text: str) -> list[Tampering]:
    """Reads blocks of a name, indented statements with ; between them, and `=>` the problem."""
    return [_tampering(block) for block in text.strip().split("\n\n")]


def _tampering(block: str) -> Tampering:
    name, rest = block.split("\n", 1)
    statements, problem = rest.split("\n  => ")
    return Tampering(name, [" ".join(part.split()) for part in re.split(r";\n  (?! )", statements)], problem)


# What is done and named alike on both databases.
ON_BOTH = tamperings("""
unique index dropped
  DROP INDEX uq_booked_corrections_corrects_id
  => index uq_booked_corrections_corrects_id … is missing

unique index of fewer rows
  DROP INDEX uq_booked_corrections_corrects_id;
  CREATE UNIQUE INDEX uq_booked_corrections_corrects_id ON booked_corrections (corrects_id, charge_class) WHERE
    corrects_id
    > 9
  => index uq_booked_corrections_corrects_id … > 9

plain index dropped
  DROP INDEX ix_quarantine_state
  => index ix_quarantine_state … is missing

unique index added
  CREATE UNIQUE INDEX once ON booked_corrections (project)
  => index once of table booked_corrections isn't

view of fewer rows
  DROP VIEW charges;
  CREATE VIEW charges AS SELECT * FROM booked_corrections
  => table charges should be a view … booked_usage … and is a view … booked_corrections

column dropped
  ALTER TABLE quarantine DROP COLUMN message
  => column message of table quarantine is missing

column renamed
  ALTER TABLE booked_corrections RENAME COLUMN tier TO step
  => column step of table booked_corrections isn't the ledger's

column added
  ALTER TABLE booked_corrections ADD COLUMN note text
  => column note of table booked_corrections isn't the ledger's

column made anew
  ALTER TABLE quarantine DROP COLUMN resolution;
  ALTER TABLE quarantine ADD COLUMN resolution TEXT
  => table quarantine has its columns in another order

table dropped
  DROP TABLE quarantine
  => table quarantine is missing

table renamed
  ALTER TABLE sources RENAME TO old_sources
  => table sources is missing

table that is a view
  ALTER TABLE quarantine RENAME TO kept;
  CREATE VIEW quarantine AS SELECT * FROM kept
  => table quarantine … and is a view
""")


def assert_named(cli: Cli, url: str, problem: str) -> None:
    """The check fails, and one of its lines names the problem."""
    outcome = cli("db", "check", "--db", url)
    assert outcome.exit_code == 1, outcome
    assert outcome.stdout == ""
    lines = outcome.stderr.splitlines()
    assert all(line.startswith("Problem: ") for line in lines), lines
    pattern = ".*".join(map(re.escape, problem.split(" … ")))
    assert any(re.search(pattern, line) for line in lines), lines

"""`db check` on SQLite: every change of the schema is named."""

from __future__ import annotations

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import execute
from tests.helpers.tampering import ON_BOTH, Tampering, assert_named, tamperings

# What is done on this database alone, by which statements, and words of the problem that is named.
TAMPERINGS = tamperings("""
guard dropped
  DROP TRIGGER booked_corrections_no_update
  => trigger booked_corrections_no_update of table booked_corrections is missing

guard emptied
  DROP TRIGGER booked_corrections_no_update;
  CREATE TRIGGER booked_corrections_no_update BEFORE UPDATE ON booked_corrections BEGIN SELECT 1; END
  => trigger booked_corrections_no_update of table booked_corrections should be … select 1 ; end

guard commented out
  DROP TRIGGER booked_corrections_no_update;
  CREATE TRIGGER booked_corrections_no_update BEFORE UPDATE ON booked_corrections BEGIN SELECT 1; /* SELECT RAISE(ABORT,
    'booked_corrections is append-only: post a correction'); */ END
  => trigger booked_corrections_no_update

guard of another table
  DROP TRIGGER booked_corrections_no_update;
  CREATE TRIGGER booked_corrections_no_update BEFORE UPDATE ON sources BEGIN SELECT RAISE(ABORT, 'booked_corrections is
    append-only: post a correction'); END
  => trigger booked_corrections_no_update of table booked_corrections is missing

guard under a condition
  DROP TRIGGER booked_corrections_no_update;
  CREATE TRIGGER booked_corrections_no_update BEFORE UPDATE ON booked_corrections WHEN 0 BEGIN SELECT RAISE(ABORT,
    'booked_corrections
    is append-only: post a correction'); END
  => when 0 begin

guard that ignores
  DROP TRIGGER booked_corrections_no_delete;
  CREATE TRIGGER booked_corrections_no_delete BEFORE DELETE ON booked_corrections BEGIN SELECT RAISE(IGNORE); END
  => trigger booked_corrections_no_delete

guard renamed
  DROP TRIGGER booked_corrections_no_update;
  CREATE TRIGGER other BEFORE UPDATE ON booked_corrections BEGIN SELECT RAISE(ABORT, 'booked_corrections is append-only:
    post a correction'); END
  => trigger booked_corrections_no_update of table booked_corrections is missing

other words in a text
  DROP TRIGGER booked_corrections_no_update;
  CREATE TRIGGER booked_corrections_no_update BEFORE UPDATE ON booked_corrections BEGIN SELECT RAISE(ABORT,
    'booked_corrections is
    Append-only: post a correction'); END
  => Append-only

trigger added
  CREATE TRIGGER zz AFTER INSERT ON sources BEGIN DELETE FROM quarantine; END
  => trigger zz of table sources isn't the ledger's

unique index weakened
  DROP INDEX uq_booked_corrections_corrects_id;
  CREATE INDEX uq_booked_corrections_corrects_id ON booked_corrections (corrects_id, charge_class) WHERE
    corrects_id IS NOT NULL
  => index uq_booked_corrections_corrects_id of table booked_corrections … and is create index

index of a text in other case
  DROP INDEX uq_batches_reference;
  CREATE UNIQUE INDEX uq_batches_reference ON batches (reference) WHERE reference IS NOT 'X'
  => index uq_batches_reference … 'X'

table that is virtual
  DROP TABLE sources;
  CREATE VIRTUAL TABLE sources USING fts5(source)
  => table sources … virtual

table of a query
  DROP TABLE quarantine;
  CREATE TABLE quarantine AS SELECT 1 AS id
  => column digest of table quarantine

check weakened
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, '''card'', ''user''', '''card'', ''user'', ''x''')
    WHERE name = 'conversions'
  => constraint ck_conversions_ck_conversions_origin … and is check … 'x'

check of a text in other case
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, '''card''', '''Card''')
    WHERE name = 'conversions'
  => constraint ck_conversions_ck_conversions_origin … 'Card'

check dropped
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'CHECK (credits_nano > 0)', 'CHECK (1)')
    WHERE name = 'wallet_moves'
  => constraint ck_wallet_moves … and is check ( 1 )

type changed
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'amount_nano INTEGER NOT NULL', 'amount_nano ANY NOT NULL')
    WHERE name = 'booked_corrections'
  => column amount_nano … and is any not null

null allowed
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'project TEXT NOT NULL', 'project TEXT')
    WHERE name = 'booked_corrections'
  => column project of table booked_corrections should be text not null, and is text

default given
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'amount_nano INTEGER NOT NULL', 'amount_nano INTEGER DEFAULT 0 NOT NULL')
    WHERE name = 'booked_corrections'
  => column amount_nano … default 0

collation given
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'request_id TEXT', 'request_id TEXT COLLATE NOCASE')
    WHERE name = 'booked_usage'
  => column request_id … nocase

foreign key dropped
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'REFERENCES card_versions', 'REFERENCES batches')
    WHERE name = 'rate_entries'
  => constraint fk_rate_entries_card_version_id

foreign key that deletes
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'budget_events (id)', 'budget_events (id) ON DELETE CASCADE')
    WHERE name = 'budget_deliveries'
  => on delete cascade

conflict settled by replacing
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'PRIMARY KEY (id)', 'PRIMARY KEY (id) ON CONFLICT REPLACE')
    WHERE name = 'booked_corrections'
  => constraint pk_booked_corrections … replace

types not held
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, ' STRICT', '')
    WHERE name = 'booked_corrections'
  => table booked_corrections should be a table strict, and is a table
""")


@pytest.mark.parametrize("tampering", [*TAMPERINGS, *ON_BOTH], ids=str)
def test_tampering_is_named(cli: Cli, sqlite_url: str, tampering: Tampering) -> None:
    execute(sqlite_url, *tampering.statements)
    assert_named(cli, sqlite_url, tampering.problem)

"""`db check` on SQLite: every change of the schema is named."""

from __future__ import annotations

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import execute
from tests.helpers.tampering import ON_BOTH, Tampering, assert_named, tamperings

# What is done on this database alone, by which statements, and words of the problem that is named.
TAMPERINGS = tamperings("""
guard dropped
  DROP TRIGGER charges_no_update
  => trigger charges_no_update of table charges is missing

guard emptied
  DROP TRIGGER charges_no_update;
  CREATE TRIGGER charges_no_update BEFORE UPDATE ON charges BEGIN SELECT 1; END
  => trigger charges_no_update of table charges should be … select 1 ; end

guard commented out
  DROP TRIGGER charges_no_update;
  CREATE TRIGGER charges_no_update BEFORE UPDATE ON charges BEGIN SELECT 1; /* SELECT RAISE(ABORT,
    'charges is append-only: post a correction'); */ END
  => trigger charges_no_update

guard of another table
  DROP TRIGGER charges_no_update;
  CREATE TRIGGER charges_no_update BEFORE UPDATE ON sources BEGIN SELECT RAISE(ABORT, 'charges is
    append-only: post a correction'); END
  => trigger charges_no_update of table charges is missing

guard under a condition
  DROP TRIGGER charges_no_update;
  CREATE TRIGGER charges_no_update BEFORE UPDATE ON charges WHEN 0 BEGIN SELECT RAISE(ABORT, 'charges
    is append-only: post a correction'); END
  => when 0 begin

guard that ignores
  DROP TRIGGER charges_no_delete;
  CREATE TRIGGER charges_no_delete BEFORE DELETE ON charges BEGIN SELECT RAISE(IGNORE); END
  => trigger charges_no_delete

guard renamed
  DROP TRIGGER charges_no_update;
  CREATE TRIGGER other BEFORE UPDATE ON charges BEGIN SELECT RAISE(ABORT, 'charges is append-only:
    post a correction'); END
  => trigger charges_no_update of table charges is missing

other words in a text
  DROP TRIGGER charges_no_update;
  CREATE TRIGGER charges_no_update BEFORE UPDATE ON charges BEGIN SELECT RAISE(ABORT, 'charges is
    Append-only: post a correction'); END
  => Append-only

trigger added
  CREATE TRIGGER zz AFTER INSERT ON sources BEGIN DELETE FROM quarantine; END
  => trigger zz of table sources isn't the ledger's

unique index weakened
  DROP INDEX uq_charges_usage_record_id;
  CREATE INDEX uq_charges_usage_record_id ON charges (usage_record_id) WHERE charge_class = 'charge'
  => index uq_charges_usage_record_id of table charges … and is create index

unique index of a text in other case
  DROP INDEX uq_charges_usage_record_id;
  CREATE UNIQUE INDEX uq_charges_usage_record_id ON charges (usage_record_id) WHERE charge_class =
    'Charge'
  => index uq_charges_usage_record_id … 'Charge'

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
    WHERE name = 'charges'
  => column amount_nano … and is any not null

null allowed
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'project TEXT NOT NULL', 'project TEXT')
    WHERE name = 'charges'
  => column project of table charges should be text not null, and is text

default given
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'amount_nano INTEGER NOT NULL', 'amount_nano INTEGER DEFAULT 0 NOT NULL')
    WHERE name = 'charges'
  => column amount_nano … default 0

collation given
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, 'request_id TEXT', 'request_id TEXT COLLATE NOCASE')
    WHERE name = 'usage_records'
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
    WHERE name = 'charges'
  => constraint pk_charges … replace

types not held
  PRAGMA writable_schema = ON;
  UPDATE sqlite_master SET sql = replace(sql, ' STRICT', '')
    WHERE name = 'charges'
  => table charges should be a table strict, and is a table
""")


@pytest.mark.parametrize("tampering", [*TAMPERINGS, *ON_BOTH], ids=str)
def test_tampering_is_named(cli: Cli, sqlite_url: str, tampering: Tampering) -> None:
    execute(sqlite_url, *tampering.statements)
    assert_named(cli, sqlite_url, tampering.problem)

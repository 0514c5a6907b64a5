"""`db check` on PostgreSQL: every change of the schema is named."""

from __future__ import annotations

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import execute
from tests.helpers.tampering import ON_BOTH, Tampering, assert_named, tamperings

# What is done on this database alone, by which statements, and words of the problem that is named.
TAMPERINGS = tamperings("""
guard dropped
  DROP TRIGGER charges_append_only ON charges
  => trigger charges_append_only of table charges is missing

guard disabled
  ALTER TABLE charges DISABLE TRIGGER charges_append_only
  => trigger charges_append_only of table charges is disabled

guard for replicas alone
  ALTER TABLE charges ENABLE REPLICA TRIGGER charges_append_only
  => trigger charges_append_only of table charges is disabled

all triggers disabled
  ALTER TABLE wallet_entries DISABLE TRIGGER ALL
  => fk_wallet_entries_lot_id of table wallet_entries is disabled

guard renamed and replaced
  CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(NEW, OLD);
    END';
  ALTER TRIGGER charges_append_only ON charges RENAME TO kept;
  CREATE TRIGGER charges_append_only BEFORE UPDATE OR DELETE ON charges FOR EACH ROW EXECUTE FUNCTION
    harmless();
  ALTER TABLE charges DISABLE TRIGGER kept
  => trigger charges_append_only of table charges should be … harmless

guard for one column
  DROP TRIGGER charges_append_only ON charges;
  CREATE TRIGGER charges_append_only BEFORE UPDATE OF tier OR DELETE ON charges FOR EACH ROW EXECUTE
    FUNCTION refuse_change()
  => UPDATE OF tier

guard under a condition
  DROP TRIGGER charges_append_only ON charges;
  CREATE TRIGGER charges_append_only BEFORE UPDATE OR DELETE ON charges FOR EACH ROW WHEN (false)
    EXECUTE FUNCTION refuse_change()
  => WHEN … false

guard after the change
  DROP TRIGGER charges_append_only ON charges;
  CREATE TRIGGER charges_append_only AFTER UPDATE OR DELETE ON charges FOR EACH ROW EXECUTE FUNCTION
    refuse_change()
  => AFTER

guard against truncate dropped
  DROP TRIGGER projects_no_truncate ON projects
  => trigger projects_no_truncate

guard of another schema's function
  CREATE SCHEMA other;
  CREATE FUNCTION other.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN
    coalesce(NEW, OLD); END';
  DROP TRIGGER charges_append_only ON charges;
  CREATE TRIGGER charges_append_only BEFORE UPDATE OR DELETE ON charges FOR EACH ROW EXECUTE FUNCTION
    other.refuse_change()
  => other.refuse_change

function that lets pass
  CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN
    coalesce(NEW, OLD); END'
  => function refuse_change() should be … RETURN

function that does nothing
  CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL;
    END'
  => function refuse_change() should be … NULL

function under a setting
  ALTER FUNCTION refuse_change() SET work_mem = '4MB'
  => function refuse_change … work_mem

function dropped
  DROP FUNCTION refuse_change() CASCADE
  => function refuse_change() is missing

function renamed
  ALTER FUNCTION refuse_change() RENAME TO old;
  CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(NEW,
    OLD); END'
  => trigger … EXECUTE FUNCTION old()

trigger added
  CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(NEW, OLD);
    END';
  CREATE TRIGGER zz BEFORE INSERT ON charges FOR EACH ROW EXECUTE FUNCTION harmless()
  => trigger zz of table charges isn't the ledger's

rule that drops rows
  CREATE RULE gone AS ON INSERT TO charges DO INSTEAD NOTHING
  => rule gone of table charges

row security
  ALTER TABLE charges ENABLE ROW LEVEL SECURITY
  => table charges is under row security

rows of a child
  CREATE TABLE more () INHERITS (charges)
  => child more of table charges

lost at a crash
  ALTER TABLE charges SET UNLOGGED
  => table charges is UNLOGGED

unique index weakened
  DROP INDEX uq_charges_usage_record_id;
  CREATE INDEX uq_charges_usage_record_id ON charges (usage_record_id) WHERE charge_class = 'charge'
  => index uq_charges_usage_record_id of table charges … and is CREATE INDEX

unique constraint dropped
  ALTER TABLE usage_records DROP CONSTRAINT uq_usage_records_identity
  => constraint uq_usage_records_identity

unique constraint wider
  ALTER TABLE batches DROP CONSTRAINT uq_batches_sequence, ADD CONSTRAINT uq_batches_sequence UNIQUE
    (sequence, id)
  => constraint uq_batches_sequence … sequence, id

unique constraint checked late
  ALTER TABLE batches DROP CONSTRAINT uq_batches_sequence, ADD CONSTRAINT uq_batches_sequence UNIQUE
    (sequence) DEFERRABLE
  => DEFERRABLE

primary key dropped
  ALTER TABLE charges DROP CONSTRAINT pk_charges
  => constraint pk_charges

check dropped
  ALTER TABLE conversions DROP CONSTRAINT ck_conversions_ck_conversions_origin
  => constraint ck_conversions_ck_conversions_origin … is missing

check weakened
  ALTER TABLE conversions DROP CONSTRAINT ck_conversions_ck_conversions_origin, ADD CONSTRAINT
    ck_conversions_ck_conversions_origin CHECK (origin <> 'x')
  => constraint ck_conversions_ck_conversions_origin … and is CHECK

check not of old rows
  ALTER TABLE conversions DROP CONSTRAINT ck_conversions_ck_conversions_origin, ADD CONSTRAINT
    ck_conversions_ck_conversions_origin CHECK (origin IN ('card', 'user')) NOT VALID
  => NOT VALID

check added
  ALTER TABLE charges ADD CONSTRAINT none CHECK (amount_nano < 9)
  => constraint none of table charges isn't

foreign key dropped
  ALTER TABLE rate_entries DROP CONSTRAINT fk_rate_entries_card_version_id
  => constraint fk_rate_entries_card_version_id

foreign key that deletes
  ALTER TABLE budget_deliveries DROP CONSTRAINT fk_budget_deliveries_id, ADD CONSTRAINT
    fk_budget_deliveries_id FOREIGN KEY (id) REFERENCES budget_events (id) ON DELETE CASCADE
  => ON DELETE CASCADE

type changed
  ALTER TABLE charges ALTER amount_nano TYPE numeric
  => column amount_nano of table charges … and is numeric

null allowed
  ALTER TABLE charges ALTER project DROP NOT NULL
  => column project of table charges should be text NOT NULL, and is text

null refused
  ALTER TABLE closings ALTER settings SET NOT NULL
  => column settings of table closings … and is text NOT NULL

default given
  ALTER TABLE charges ALTER amount_nano SET DEFAULT 0
  => column amount_nano … DEFAULT 0

collation changed
  ALTER TABLE usage_records ALTER request_id TYPE text COLLATE "C"
  => COLLATE "C"

view as large as a table
  DROP TABLE sources;
  CREATE MATERIALIZED VIEW sources AS SELECT 1 AS source
  => materialized

table hidden
  CREATE SCHEMA postgres;
  CREATE TABLE postgres.charges (LIKE charges)
  => table charges is taken from schema postgres
""")


@pytest.mark.parametrize("tampering", [*TAMPERINGS, *ON_BOTH], ids=str)
def test_tampering_is_named(cli: Cli, postgres_url: str, tampering: Tampering) -> None:
    execute(postgres_url, *tampering.statements)
    assert_named(cli, postgres_url, tampering.problem)

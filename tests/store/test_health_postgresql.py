"""`db check` on PostgreSQL: every change of the schema is named."""

from __future__ import annotations

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import execute
from tests.helpers.tampering import ON_BOTH, Tampering, assert_named, tamperings

# What is done on this database alone, by which statements, and words of the problem that is named.
TAMPERINGS = tamperings("""
guard dropped
  DROP TRIGGER booked_corrections_append_only ON booked_corrections
  => trigger booked_corrections_append_only of table booked_corrections is missing

guard disabled
  ALTER TABLE booked_corrections DISABLE TRIGGER booked_corrections_append_only
  => trigger booked_corrections_append_only of table booked_corrections is disabled

guard for replicas alone
  ALTER TABLE booked_corrections ENABLE REPLICA TRIGGER booked_corrections_append_only
  => trigger booked_corrections_append_only of table booked_corrections is disabled

all triggers disabled
  ALTER TABLE wallet_entries DISABLE TRIGGER ALL
  => fk_wallet_entries_lot_id of table wallet_entries is disabled

guard renamed and replaced
  CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(NEW, OLD);
    END';
  ALTER TRIGGER booked_corrections_append_only ON booked_corrections RENAME TO kept;
  CREATE TRIGGER booked_corrections_append_only BEFORE UPDATE OR DELETE ON booked_corrections FOR EACH ROW EXECUTE
    FUNCTION
    harmless();
  ALTER TABLE booked_corrections DISABLE TRIGGER kept
  => trigger booked_corrections_append_only of table booked_corrections should be … harmless

guard for one column
  DROP TRIGGER booked_corrections_append_only ON booked_corrections;
  CREATE TRIGGER booked_corrections_append_only BEFORE UPDATE OF tier OR DELETE ON booked_corrections FOR EACH ROW
    EXECUTE
    FUNCTION refuse_change()
  => UPDATE OF tier

guard under a condition
  DROP TRIGGER booked_corrections_append_only ON booked_corrections;
  CREATE TRIGGER booked_corrections_append_only BEFORE UPDATE OR DELETE ON booked_corrections FOR EACH ROW WHEN (false)
    EXECUTE FUNCTION refuse_change()
  => WHEN … false

guard after the change
  DROP TRIGGER booked_corrections_append_only ON booked_corrections;
  CREATE TRIGGER booked_corrections_append_only AFTER UPDATE OR DELETE ON booked_corrections FOR EACH ROW EXECUTE
    FUNCTION
    refuse_change()
  => AFTER

guard against truncate dropped
  DROP TRIGGER projects_no_truncate ON projects
  => trigger projects_no_truncate

guard of another schema's function
  CREATE SCHEMA other;
  CREATE FUNCTION other.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN
    coalesce(NEW, OLD); END';
  DROP TRIGGER booked_corrections_append_only ON booked_corrections;
  CREATE TRIGGER booked_corrections_append_only BEFORE UPDATE OR DELETE ON booked_corrections FOR EACH ROW EXECUTE
    FUNCTION
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
  CREATE TRIGGER zz BEFORE INSERT ON booked_corrections FOR EACH ROW EXECUTE FUNCTION harmless()
  => trigger zz of table booked_corrections isn't the ledger's

rule that drops rows
  CREATE RULE gone AS ON INSERT TO booked_corrections DO INSTEAD NOTHING
  => rule gone of table booked_corrections

row security
  ALTER TABLE booked_corrections ENABLE ROW LEVEL SECURITY
  => table booked_corrections is under row security

rows of a child
  CREATE TABLE more () INHERITS (booked_corrections)
  => child more of table booked_corrections

lost at a crash
  ALTER TABLE booked_corrections SET UNLOGGED
  => table booked_corrections is UNLOGGED

unique index weakened
  DROP INDEX uq_booked_corrections_corrects_id;
  CREATE INDEX uq_booked_corrections_corrects_id ON booked_corrections (corrects_id, charge_class) WHERE
    corrects_id IS NOT NULL
  => index uq_booked_corrections_corrects_id of table booked_corrections … and is CREATE INDEX

unique constraint dropped
  ALTER TABLE booked_usage DROP CONSTRAINT uq_booked_usage_identity
  => constraint uq_booked_usage_identity

unique constraint wider
  ALTER TABLE batches DROP CONSTRAINT uq_batches_sequence, ADD CONSTRAINT uq_batches_sequence UNIQUE
    (sequence, id)
  => constraint uq_batches_sequence … sequence, id

unique constraint checked late
  ALTER TABLE batches DROP CONSTRAINT uq_batches_sequence, ADD CONSTRAINT uq_batches_sequence UNIQUE
    (sequence) DEFERRABLE
  => DEFERRABLE

primary key dropped
  ALTER TABLE booked_corrections DROP CONSTRAINT pk_booked_corrections
  => constraint pk_booked_corrections

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
  ALTER TABLE booked_corrections ADD CONSTRAINT none CHECK (amount_nano < 9)
  => constraint none of table booked_corrections isn't

foreign key dropped
  ALTER TABLE rate_entries DROP CONSTRAINT fk_rate_entries_card_version_id
  => constraint fk_rate_entries_card_version_id

foreign key that deletes
  ALTER TABLE budget_deliveries DROP CONSTRAINT fk_budget_deliveries_id, ADD CONSTRAINT
    fk_budget_deliveries_id FOREIGN KEY (id) REFERENCES budget_events (id) ON DELETE CASCADE
  => ON DELETE CASCADE

type changed
  ALTER TABLE wallet_moves ALTER credits_nano TYPE numeric
  => column credits_nano of table wallet_moves … and is numeric

null allowed
  ALTER TABLE booked_corrections ALTER project DROP NOT NULL
  => column project of table booked_corrections should be text NOT NULL, and is text

null refused
  ALTER TABLE closings ALTER settings SET NOT NULL
  => column settings of table closings … and is text NOT NULL

default given
  ALTER TABLE booked_corrections ALTER amount_nano SET DEFAULT 0
  => column amount_nano … DEFAULT 0

collation changed
  ALTER TABLE projects ALTER project TYPE text COLLATE "C"
  => COLLATE "C"

view as large as a table
  DROP TABLE sources;
  CREATE MATERIALIZED VIEW sources AS SELECT 1 AS source
  => materialized

table hidden
  CREATE SCHEMA postgres;
  CREATE TABLE postgres.booked_corrections (LIKE booked_corrections)
  => table booked_corrections is taken from schema postgres
""")


@pytest.mark.parametrize("tampering", [*TAMPERINGS, *ON_BOTH], ids=str)
def test_tampering_is_named(cli: Cli, postgres_url: str, tampering: Tampering) -> None:
    execute(postgres_url, *tampering.statements)
    assert_named(cli, postgres_url, tampering.problem)

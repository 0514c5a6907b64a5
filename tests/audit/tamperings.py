"""Tamperings with a filled ledger, each with what verify says of it: some by who knows how one row is digested."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from sqlalchemy import create_engine, select

from ledger.book.seals import row_digest
from ledger.store.log import digest_of_entry
from ledger.store.tables import metadata
from tests.helpers.ledgers import rows

SUM_COLUMNS = "batch_id, key_id, half_day, quarters, cells, corrects_id"
FIRST_SUM = "(SELECT min(id) FROM lake_cells)"
HELD = "quarantine: what it keeps of lines isn't as it was recorded"

Statements = Sequence[str] | Callable[[str], Sequence[str]]


def quoted(value: object) -> str:
    return (
        "NULL"
        if value is None
        else str(value)
        if isinstance(value, int)
        else f"'{str(value).replace(chr(39), chr(39) * 2)}'"
    )


def resealed(table: str, column: str, value: object) -> Callable[[str], list[str]]:
    """The last row of a sealed table with another value, and its digest worked out anew."""

    def statements(url: str) -> list[str]:
        model = metadata.tables[table]
        engine = create_engine(url)
        with engine.connect() as connection:
            row = connection.execute(select(model).order_by(model.c.id.desc()).limit(1)).one()
        engine.dispose()
        digest = row_digest(model, row._asdict() | {column: value})
        return [f"UPDATE {table} SET {column} = {quoted(value)}, digest = '{digest}' WHERE id = {row.id}"]

    return statements


def fitted(table: str, number: str, content: str) -> Callable[[str], list[str]]:
    """A content with the digest of it."""

    def statements(url: str) -> list[str]:
        [[found]] = rows(url, f"SELECT {content} FROM {table} WHERE id = {number}")
        digest = hashlib.sha256(found.encode()).hexdigest()
        return [f"UPDATE {table} SET content = {quoted(found)}, digest = '{digest}' WHERE id = {number}"]

    return statements


def relogged(number: int, **changes: object) -> Callable[[str], list[str]]:
    """A log entry with other values and the digest of them."""

    def statements(url: str) -> list[str]:
        names = metadata.tables["log_entries"].columns.keys()
        [row] = rows(url, f"SELECT * FROM log_entries WHERE id = {number}")
        entry = dict(zip(names, row, strict=True)) | changes
        entry["digest"] = digest_of_entry(list(entry.values())[:-1])
        values = ", ".join(f"{name} = {quoted(value)}" for name, value in entry.items())
        return [f"UPDATE log_entries SET {values} WHERE id = {number}"]

    return statements


def copied(table: str, **changes: str) -> str:
    """Appends a copy of the last row under the next id."""
    names = metadata.tables[table].columns.keys()
    values = ", ".join({"id": "id + 1", **changes}.get(name, name) for name in names)
    return f"INSERT INTO {table} SELECT {values} FROM {table} WHERE id = (SELECT max(id) FROM {table})"


def last(table: str) -> str:
    return f"id = (SELECT max(id) FROM {table})"


TAMPERED: dict[str, tuple[Statements, str]] = {
    "a conversion inserted": ([copied("conversions", per_usd_nano="1")], "conversions"),
    "a conversion before the first": ([copied("conversions", id="-1")], "conversions -1: in no entry of the log"),
    "an unpinned conversion's figure": (
        [f"UPDATE conversions SET per_usd_nano = 60000000000 WHERE {last('conversions')}"],
        "conversions",
    ),
    "an unpinned conversion's start": (
        [f"UPDATE conversions SET effective_from = effective_from + 86400000000 WHERE {last('conversions')}"],
        "conversions",
    ),
    "a conversion's page": (["UPDATE conversions SET source_url = 'https://x.example' WHERE id = 1"], "conversions 1"),
    "the last conversion deleted": ([f"DELETE FROM conversions WHERE {last('conversions')}"], "conversions"),
    "an unpinned conversion deleted": (
        ["DELETE FROM conversions WHERE id = (SELECT max(id) - 1 FROM conversions)"],
        "conversions",
    ),
    "all conversions deleted": (["DELETE FROM conversions"], "conversions 1 to"),
    "a card with a digest made to fit": (fitted("card_versions", "1", "'#' || content"), "card_versions 1"),
    "the reason of a card": (["UPDATE card_versions SET reason = 'x' WHERE id = 1"], "card_versions 1"),
    "the origin of a card": (["UPDATE card_versions SET origin = 'user' WHERE id = 1"], "card_versions 1"),
    "the last card deleted": ([f"DELETE FROM card_versions WHERE {last('card_versions')}"], "card_versions"),
    "a card inserted": ([copied("card_versions", reason="'x'")], "card_versions"),
    "a price that fits": (
        fitted("rate_entries", "(SELECT max(id) FROM rate_entries)", "content || ' '"),
        "rate_entries",
    ),
    "a price's start": (
        [f"UPDATE rate_entries SET effective_from = effective_from - 1 WHERE {last('rate_entries')}"],
        "rate_entries",
    ),
    "a price's name": ([f"UPDATE rate_entries SET key = 'x' WHERE {last('rate_entries')}"], "rate_entries"),
    "an unused price deleted": ([f"DELETE FROM rate_entries WHERE {last('rate_entries')}"], "rate_entries"),
    "a price inserted": ([copied("rate_entries", digest="'x'")], "rate_entries"),
    "the last wallet move deleted": ([f"DELETE FROM wallet_moves WHERE {last('wallet_moves')}"], "wallet_moves 2"),
    "all wallet moves deleted": (["DELETE FROM wallet_entries", "DELETE FROM wallet_moves"], "wallet_moves 1: missing"),
    "the last wallet move resealed": (resealed("wallet_moves", "credits_nano", 6 * 10**9), "wallet_moves 2"),
    "a wallet move inserted": ([copied("wallet_moves", reference="'C'")], "wallet_moves 3: in no entry"),
    "a wallet entry's amount": (
        [f"UPDATE wallet_entries SET amount_nano = amount_nano + 1 WHERE {last('wallet_entries')}"],
        "wallet_entries",
    ),
    "the last wallet entry deleted": ([f"DELETE FROM wallet_entries WHERE {last('wallet_entries')}"], "wallet_entries"),
    "all wallet entries deleted": (["DELETE FROM wallet_entries"], "wallet_entries 1 to"),
    "a wallet entry inserted": ([copied("wallet_entries")], "wallet_entries"),
    "the last project deleted": ([f"DELETE FROM projects WHERE {last('projects')}"], "projects"),
    "all projects deleted": (["DELETE FROM projects"], "projects 1 to 2: missing"),
    "the last project resealed": (resealed("projects", "owner", "Bob"), "projects 1 to 2: no longer as recorded"),
    "a project inserted": ([copied("projects", project="'x'")], "projects 3: in no entry"),
    "all closings deleted": (["DELETE FROM wallet_entries", "DELETE FROM closings"], "closings 1: missing"),
    "a closing resealed": (resealed("closings", "reason", "all was well"), "closings 1: no longer as recorded"),
    "a closing inserted": ([copied("closings", month="'2026-03'")], "closings 2: in no entry"),
    "the last budget deleted": ([f"DELETE FROM budgets WHERE {last('budgets')}"], "budgets 2: missing"),
    "all budgets deleted": (["DELETE FROM budgets"], "budgets 1: missing"),
    "the last budget resealed": (resealed("budgets", "amount_nano", 10**15), "budgets 2: no longer as recorded"),
    "a budget inserted": ([copied("budgets", name="'x'")], "budgets 3: in no entry"),
    "all budget events deleted": (
        ["DELETE FROM budget_deliveries", "DELETE FROM budget_events"],
        "budget_events 1",
    ),
    "the last budget event deleted": (
        [f"DELETE FROM {table} WHERE {last(table)}" for table in ("budget_deliveries", "budget_events")],
        "budget_events",
    ),
    "the last budget event resealed": (resealed("budget_events", "reached_nano", 1), "budget_events"),
    "a delivery deleted": (["DELETE FROM budget_deliveries WHERE id = 1"], "budget_events 1"),
    "an open line deleted": (["DELETE FROM quarantine WHERE id = 3"], "quarantine 1 to 4: no longer as recorded"),
    "all quarantine deleted": (["DELETE FROM quarantine"], "quarantine 1 to 4: missing"),
    "an open line discarded": (
        ["UPDATE quarantine SET state = 'discarded' WHERE id = 3"],
        "quarantine 3: is discarded, the log says open",
    ),
    "a discarded line open": (
        ["UPDATE quarantine SET state = 'open' WHERE id = 2"],
        "quarantine 2: is open, the log says discarded",
    ),
    "a discarded line resolved": (["UPDATE quarantine SET state = 'resolved' WHERE id = 1"], "quarantine 1: is"),
    "where a line stood": (["UPDATE quarantine SET line = 99 WHERE id = 1"], "quarantine 1 to 4"),
    "which line it was": (["UPDATE quarantine SET digest = 'x' WHERE id = 1"], "quarantine 1 to 4"),
    "what a held line counts": (
        ["UPDATE quarantine SET fields = replace(fields, '\"input_tokens\":', '\"input_tokens\":1') WHERE id = 3"],
        HELD,
    ),
    "the options of its run": (["UPDATE quarantine SET options = '{}' WHERE id = 3"], HELD),
    "why a line is held": (["UPDATE quarantine SET reason = 'conflict' WHERE id = 3"], HELD),
    "whose request a held line is": (["UPDATE quarantine SET request_id = 'x' WHERE id = 3"], HELD),
    "when a held line was": (["UPDATE quarantine SET occurred_at = 1 WHERE id = 3"], HELD),
    "whether a held line is whole": (["UPDATE quarantine SET complete = 1 - complete WHERE id = 3"], HELD),
    "a line inserted": ([copied("quarantine", digest="'x'")], "quarantine 5: in no entry"),
    "a lake's sums moved by a quarter-hour": (
        [f"UPDATE lake_cells SET quarters = quarters * 2 WHERE id = {FIRST_SUM}"],
        "it or its rows are no longer as they were sealed",
    ),
    "a lake's sums of another half day": (
        [f"UPDATE lake_cells SET half_day = half_day + 43200000000 WHERE id = {FIRST_SUM}"],
        "it or its rows are no longer as they were sealed",
    ),
    "a lake's sums of another key": (
        [f"UPDATE lake_cells SET key_id = key_id + 1 WHERE id = {FIRST_SUM}"],
        "it or its rows are no longer as they were sealed",
    ),
    "a lake's sums deleted": (["DELETE FROM lake_cells"], "it or its rows are no longer as they were sealed"),
    "a row of a lake's sums deleted": (
        [f"DELETE FROM lake_cells WHERE id = {FIRST_SUM}"],
        "it or its rows are no longer as they were sealed",
    ),
    "a lake's sums twice": (
        [
            f"INSERT INTO lake_cells SELECT 1000000 + id, {SUM_COLUMNS} FROM lake_cells",
        ],
        "is in no batch",
    ),
    "a lake's sums that take back others": (
        [f"UPDATE lake_cells SET corrects_id = 77 WHERE id = {FIRST_SUM}"],
        "is a charge that takes back 77",
    ),
    "a lake's key of another project": (
        ["UPDATE lake_keys SET project = 'x' WHERE id = 1"],
        "lake_keys 1: its dimensions are no longer those of its digest",
    ),
    "a key of usage deleted": (["DELETE FROM record_keys WHERE id = 1"], "the key or the stream that it names"),
    "a stream deleted": (
        ["DELETE FROM streams WHERE source = 'other'"],
        "usage record 5: the key or the stream that it names is missing",
    ),
    "a correction with the number of usage": (
        [copied("booked_corrections", id="1")],
        "charge 1: its number is there twice",
    ),
    "a lake's key deleted": (["DELETE FROM lake_keys WHERE id = 1"], "the key that it names is missing"),
    "a source moved to another lake": (
        ["UPDATE sources SET lake = 'another' WHERE lake IS NOT NULL"],
        "sources: 'of-a-lake' has sums of lake lake-of-tests, its row says another",
    ),
    "a source moved from a lake into the book": (
        ["UPDATE sources SET lake = NULL"],
        "sources: 'of-a-lake' has sums of lake lake-of-tests, its row says the book",
    ),
    "a source moved from the book to a lake": (
        ["UPDATE sources SET lake = 'lake-of-tests'"],
        "sources: 'evolink' belongs to lake lake-of-tests, and has usage in the book",
    ),
    "a source deleted": (["DELETE FROM sources WHERE source = 'other'"], "sources: 'other' has usage"),
    "all sources deleted": (["DELETE FROM sources"], "sources: 'evolink' has usage"),
    "a source set back": (
        ["UPDATE sources SET last_occurred_at = last_occurred_at - 1 WHERE source = 'other'"],
        "sources: 'other' has usage up to 2026-02-19T07:37:54Z, its row says 2026-02-19T07:37:53.999999Z",
    ),
    "the tags rolled up": (["UPDATE ledger_settings SET value = 'x' WHERE name = 'rollup_tags'"], "ledger_settings"),
    "the zone": (["UPDATE ledger_settings SET value = 'Asia/Tokyo' WHERE name = 'timezone'"], "ledger_settings"),
    "a setting deleted": (["DELETE FROM ledger_settings WHERE name = 'created_at'"], "ledger_settings"),
    "a setting inserted": (["INSERT INTO ledger_settings VALUES ('x', 'y')"], "ledger_settings"),
    "the last batch deleted": ([f"DELETE FROM batches WHERE {last('batches')}"], "batches 5: missing"),
    "the last batch deleted with its charge": (
        [
            "DELETE FROM booked_corrections WHERE charge_class = 'adjustment'",
            f"DELETE FROM batches WHERE {last('batches')}",
        ],
        "batches 5: missing",
    ),
    "the last log entry deleted": ([f"DELETE FROM log_entries WHERE {last('log_entries')}"], "batches 5: in no"),
    "the first log entry deleted": (["DELETE FROM log_entries WHERE id = 1"], "log entry 2: follows 0"),
    "a log entry deleted": (["DELETE FROM log_entries WHERE id = 3"], "log entry 4: follows 2: an entry is missing"),
    "all log entries deleted": (["DELETE FROM log_entries"], "ledger_settings: aren't those that the log"),
    "who did it": (["UPDATE log_entries SET actor = 'eve' WHERE id = 3"], "log entry 3: it is no longer as it was"),
    "when it was done": (["UPDATE log_entries SET at = at + 1 WHERE id = 3"], "log entry 3: it is no longer as it was"),
    "the version": (["UPDATE log_entries SET version = '9' WHERE id = 3"], "log entry 3: it is no longer as it was"),
    "which rows": (["UPDATE log_entries SET rows = '[]' WHERE id = 2"], "log entry 2: it is no longer as it was"),
    "rows that can't be read": (["UPDATE log_entries SET rows = '[[' WHERE id = 3"], "log entry 3: can't be read"),
    "rows of no table": (relogged(3, rows='[["x",1,1,""]]'), "log entry 3: is of a table 'x', which no entry covers"),
    "what was settled": (["UPDATE log_entries SET settled = NULL"], "quarantine 1: is discarded, the log says open"),
    "settled by another word": (
        ["UPDATE log_entries SET settled = '{\"x\":[[1,9223372036854775807]]}' WHERE settled IS NOT NULL"],
        "quarantine 1: is discarded, the log says open",
    ),
    "who did it, with a digest that fits": (relogged(3, actor="eve"), "log entry 4: doesn't follow the digest"),
    "a log entry inserted": ([copied("log_entries")], "doesn't follow the digest of the entry before it"),
    "amounts of a batch that are none": (["UPDATE batches SET amounts = '{' WHERE id = 1"], "batch 1: its amounts"),
    "a time past all calendars": (["UPDATE batches SET posted_at = 9223372036854775807 WHERE id = 1"], "batches"),
    "a closing's time past all calendars": (["UPDATE closings SET at = 9223372036854775807"], "closings can't"),
    "a month that is none": (["UPDATE closings SET month = 'x'"], "close no. 1 of x"),
    "aliases that are none": (["UPDATE projects SET aliases = '[[' WHERE id = 1"], "projects 1"),
}  # fmt: skip

"""`tollbook rates`: cards and conversions are listed, shown and added; what is posted stays as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Cli
from tests.helpers.ledgers import CODE, MINI, REFERENCE_NANO, counts, nano, rows, value
from tests.helpers.sources import lines, record, response

BUILT_IN = ROOT / "pricing" / "rates"


def card(tmp_path: Path, *prices: str, provider: str = "evolink", currency: str = "CRD", model: str = CODE,
         head: str = "", aliases: str = "[]") -> Path:  # fmt: skip
    """A card file of one model with these [[model.price]] bodies."""
    body = "".join(f"[[model.price]]\n{price}\n" for price in prices)
    path = tmp_path / f"{provider}-{len(list(tmp_path.iterdir()))}.toml"
    path.write_text(
        f'provider = "{provider}"\ncurrency = "{currency}"\nper_tokens = 1_000_000\n{head}'
        f'[[model]]\nid = "{model}"\naliases = {aliases}\n{body}'
    )
    return path


def price(start: str, cost: str) -> str:
    return f'effective_from = {start}\ntiers = [{{ input = "{cost}", output = "{cost}" }}]'


def usd(credits_nano: int, per_usd: int) -> int:
    """Nano-USD, rounded half to even."""
    return round(credits_nano / per_usd)


def booked(url: str) -> list[tuple[Any, ...]]:
    """(id, nano, nano of the currency for 1 USD) of each charge, in order of posting."""
    charges = "charges c JOIN usage_records u ON u.id = usage_record_id LEFT JOIN conversions v ON v.id = conversion_id"
    return rows(url, f"SELECT u.request_id, c.amount_nano, v.per_usd_nano FROM {charges} ORDER BY c.id")


# --- list and show --------------------------------------------------------------------------------------------------


def test_list_shows_every_tier_of_every_built_in_card_without_a_ledger(cli: Cli, tmp_path: Path) -> None:
    found = cli("rates", "list", "--json").ok().json["rows"]
    assert len(found) == 2 * 4 * 3 + 2 * 4 + 3
    [row] = [row for row in found if (row["provider"], row["model"], row["tier"]) == ("evolink", CODE, "128000")]
    assert {name: row[name] for name in ("input", "cached_input", "output", "cache_storage_per_hour", "currency")} == {
        "input": "48", "cached_input": "6.4", "output": "240", "cache_storage_per_hour": "0.17", "currency": "CRD"
    }  # fmt: skip
    assert (row["effective_from"], row["derived"]) == ("2026-02-01", True)
    found = cli("rates", "list", "--provider", "volcengine", "--json").ok().json["rows"]
    assert {row["provider"] for row in found} == {"volcengine"}
    assert list(tmp_path.iterdir()) == []


def test_stale_prices_are_those_read_before_the_length_or_never(cli: Cli, tmp_path: Path) -> None:
    day = datetime.now(UTC).date() - timedelta(days=60)
    dated = [price("2026-01-01", "1") + f"\nchecked_on = {day}"]
    dated += [price("2026-01-02", "2") + f"\nchecked_on = {day - timedelta(days=1)}", price("2026-01-03", "3")]
    cli("rates", "add", card(tmp_path, *dated, provider="acme", currency="USD")).ok()
    listed = cli("rates", "list", "--provider", "acme", "--stale", "60d", "--json").ok().json["rows"]
    assert [row["effective_from"] for row in listed] == ["2026-01-02", "2026-01-03"]
    assert cli("rates", "list", "--stale", "soon").exit_code == 2


def test_show_finds_a_model_by_id_and_alias(cli: Cli) -> None:
    for name in (MINI, "doubao-seed-2-0-mini-260215"):
        shown = cli("rates", "show", name, "--json").ok().json
        assert {(row["provider"], row["model"]) for row in shown["rows"]} == {("evolink", MINI), ("volcengine", MINI)}
    text = cli("rates", "show", MINI, "--provider", "evolink").ok().stdout
    assert "at most 256000 input and 128000 output tokens; also known as doubao-seed-2-0-mini-*" in text


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["show", "gpt"], "no card knows the model 'gpt': known are doubao-seed-1.8, doubao-seed-2.0-code"),
        (
            ["show", "doubao-seed-2.0-por"],
            "'doubao-seed-2.0-por': did you mean 'doubao-seed-2.0-pro'? Known are",
        ),
        (["show", MINI, "--provider", "nobody"], "provider 'nobody' has no rate card: known are evolink, volcengine"),
        (["list", "--provider", "nobody"], "provider 'nobody' has no rate card"),
        (["add", "missing.toml"], "does not exist"),
        (["conversion", "add", "--per-usd", "68", "--from", "2026-03-01", "--provider", "nobody"], "has no rate card"),
    ],
)
def test_what_is_not_there_is_named(cli: Cli, sqlite_url: str, command: list[str], words: str) -> None:
    outcome = cli("rates", *command)
    assert outcome.exit_code == 2
    assert words in outcome.stderr


# --- add ------------------------------------------------------------------------------------------------------------


def test_a_new_price_holds_from_its_day_on(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    told = db_cli("rates", "add", card(tmp_path, price("2026-03-01", "100"))).ok().stderr
    assert told.startswith(f"added entry evolink/{CODE}/2026-03-01#")
    made = [response("before", created_at="2026-02-28T23:59:59Z"), response("after", created_at="2026-03-01T00:00:00Z")]
    db_cli("ingest", "-", stdin=lines(made)).ok()
    assert [row[:2] for row in booked(db_url)] == [("before", REFERENCE_NANO), ("after", (88 + 230) * 100_000)]
    assert len(db_cli("rates", "show", CODE, "--provider", "evolink", "--json").ok().json["rows"]) == 3 + 1
    db_cli("verify").ok()


def test_a_user_entry_beats_the_built_in_one_only_by_replacement(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    db_cli("ingest", "-", stdin=lines([response("before")])).ok()
    path = card(tmp_path, price("2026-02-01", "7"))
    refused = db_cli("rates", "add", path)
    assert refused.exit_code == 2
    assert f"evolink/{CODE}/2026-02-01#" in refused.stderr
    assert "is known with other figures" in refused.stderr
    unreasoned = db_cli("rates", "add", path, "--replace").stderr
    assert unreasoned == "Error: --replace needs --reason R: it is kept with the new version\n"
    told = db_cli("rates", "add", path, "--replace", "--reason", "the page was wrong").ok().stderr
    assert "1 posted charge has other figures and stays as it is: 'tollbook reprice' corrects them" in told
    db_cli("ingest", "-", stdin=lines([response("before"), response("after")])).ok()
    assert [row[:2] for row in booked(db_url)] == [("before", REFERENCE_NANO), ("after", (88 + 230) * 7_000)]
    assert rows(db_url, "SELECT origin, reason FROM card_versions WHERE provider = 'evolink' ORDER BY id") == [
        ("built-in", None), ("user", "the page was wrong")
    ]  # fmt: skip
    db_cli("verify").ok()


def test_a_card_that_was_replaced_may_be_replaced_back(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    db_cli("ingest", "-", stdin=lines([response("r1")])).ok()
    replacing = ["--replace", "--reason", "r"]
    db_cli("rates", "add", card(tmp_path, price("2026-02-01", "7")), *replacing).ok()
    told = db_cli("rates", "add", BUILT_IN / "evolink.toml", *replacing).ok().stderr
    assert f"added entry evolink/{CODE}/2026-02-01#" in told
    assert "other figures" not in told
    db_cli("ingest", "-", stdin=lines([response("r2")])).ok()
    assert [row[1] for row in booked(db_url)] == [REFERENCE_NANO] * 2
    db_cli("verify").ok()


@pytest.mark.parametrize("again", ["evolink.toml", "volcengine.toml"])
def test_an_identical_card_adds_nothing(db_cli: Cli, db_url: str, again: str) -> None:
    db_cli("ingest", "-", stdin=lines([response("r1")])).ok()
    tables = ("card_versions", "rate_entries", "conversions")
    before = [rows(db_url, f"SELECT * FROM {table} ORDER BY id") for table in tables]
    for _ in range(2):
        assert db_cli("rates", "add", BUILT_IN / again).ok().stderr == "nothing new: every entry is in force already\n"
    assert [rows(db_url, f"SELECT * FROM {table} ORDER BY id") for table in tables] == before


def test_an_alias_alone_can_be_added(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    assert db_cli("ingest", "-", stdin=lines([response("r1", model="ep-2026-code")])).exit_code == 3
    told = db_cli("rates", "add", card(tmp_path, aliases='["ep-2026-*"]')).ok().stderr
    assert told == f"added model {CODE} known as ep-2026-*\n"
    db_cli("quarantine", "retry").ok()
    assert [row[:2] for row in booked(db_url)] == [("r1", REFERENCE_NANO)]


def test_a_card_of_a_new_provider_in_another_currency(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    conversions = (("0.9", "2026-01-01"), ("0.8", "2026-03-01"))
    head = "".join(
        f'[[conversion]]\nper_usd = "{per_usd}"\neffective_from = {start}\n' for per_usd, start in conversions
    )
    path = card(tmp_path, price("2026-01-01", "3"), provider="europe", currency="EUR", model="m-1", head=head)
    db_cli("rates", "add", path).ok()
    own = [
        record(f"r{month}", occurred_at=f"2026-{month:02}-15T00:00:00Z", requested_model="m-1", input_tokens=1_000_000)
        for month in (1, 2, 3)
    ]
    made = lines([*own, response("c", model="m-1")])
    found = db_cli("ingest", "-", "--provider", "europe", "--json", stdin=made).ok()
    assert counts(found.json) == {"accepted": 4}
    one = 1_000_002 * 3_000
    assert found.json["amounts"] == {"EUR": f"{(3 * one + 318 * 3_000) / 10**9:.9f}".rstrip("0")}
    assert booked(db_url)[:3] == [("r1", one, 900_000_000), ("r2", one, 900_000_000), ("r3", one, 800_000_000)]
    total = db_cli("report", "--by", "currency", "--json").ok().json
    assert [(row["currency"], nano(row["amount"]), row["credits"]) for row in total["rows"]] == [
        ("EUR", 3 * one + 318 * 3_000, "0")
    ]
    assert nano(total["total"]["usd"]) == round((2 * one + 318 * 3_000) / 0.9 + one / 0.8)
    db_cli("verify").ok()


def test_a_dollar_card_needs_no_conversion(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    db_cli("rates", "add", card(tmp_path, price("2026-01-01", "3"), provider="states", currency="USD", model="m")).ok()
    db_cli("ingest", "-", "--provider", "states", stdin=lines([response("r1", model="m")])).ok()
    assert booked(db_url) == [("r1", 318 * 3_000, None)]
    refused = db_cli("rates", "conversion", "add", "--provider", "states", "--per-usd", "1", "--from", "2026-01-01")
    assert (refused.exit_code, refused.stderr) == (2, "Error: the card of states is in USD: it needs no conversion\n")
    assert nano(db_cli("report", "--json").ok().json["total"]["usd"]) == 318 * 3_000
    db_cli("verify").ok()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("provider = ", "bad.toml"),
        ('provider = "evolink"\ncurrency = "USD"\nper_tokens = 1\n', "differs from 'CRD'"),
        ('provider = "x"\ncurrency = "CRD"\nper_tokens = 1\nunknown = 1\n', "unknown"),
        ("\xff\xfe", "bad.toml"),
    ],
)
def test_a_card_that_can_not_be_used_is_refused_and_nothing_added(
    db_cli: Cli, db_url: str, tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "bad.toml").write_bytes(text.encode("latin-1"))
    outcome = db_cli("rates", "add", "bad.toml")
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert value(db_url, "SELECT count(*) FROM card_versions") == 0


# --- conversions ----------------------------------------------------------------------------------------------------


def convert(cli: Cli, per_usd: str, start: str, *args: str) -> Any:
    return cli("rates", "conversion", "add", "--per-usd", per_usd, "--from", start, *args)


def test_a_new_conversion_holds_from_its_day_on_and_changes_nothing_posted(db_cli: Cli, db_url: str) -> None:
    days = {"a": "2026-02-20T00:00:00Z", "b": "2026-03-01T00:00:00Z", "c": "2026-03-05T00:00:00Z"}
    db_cli("ingest", "-", stdin=lines(response(name, created_at=at) for name, at in days.items())).ok()
    before = db_cli("report", "--json").ok().json["total"]["usd"]
    told = convert(db_cli, "68", "2026-03-01", "--source-url", "https://evolink.ai/pricing").ok().stderr
    assert told.startswith("added: 68 CRD = 1 USD from 2026-03-01\n")
    assert "2 posted charges have other figures" in told
    assert db_cli("report", "--json").ok().json["total"]["usd"] == before
    later = [response("d", created_at="2026-02-28T23:59:59Z"), response("e", created_at="2026-03-01T00:00:00Z")]
    db_cli("ingest", "-", stdin=lines(later)).ok()
    assert [(name, per_usd // 10**9) for name, _nano, per_usd in booked(db_url)] == [
        ("a", 72), ("b", 72), ("c", 72), ("d", 72), ("e", 68)
    ]  # fmt: skip
    # Each conversion's sum is divided once: four at 72 and one at 68, rounded together.
    total = nano(db_cli("report", "--json").ok().json["total"]["usd"])
    assert total == round(4 * REFERENCE_NANO / 72 + REFERENCE_NANO / 68)
    db_cli("verify").ok()


def test_conversions_are_listed_and_told_by_status(db_cli: Cli) -> None:
    convert(db_cli, "68", "2026-03-01", "--checked-on", "2026-03-02").ok()
    listed = db_cli("rates", "conversion", "list", "--json").ok().json["rows"]
    found = [row for row in listed if row["provider"] == "evolink"]
    assert [(row["per_usd"], row["effective_from"], row["checked_on"]) for row in found][-1] == (
        "68", "2026-03-01", "2026-03-02"
    )  # fmt: skip
    outcome = db_cli("status", "--json").ok()
    [use] = [use for use in outcome.json["conversions"] if use["provider"] == "evolink"]
    assert (use["per_usd"], use["effective_from"], use["checked_on"]) == ("68", "2026-03-01T00:00:00Z", "2026-03-02")
    assert "the conversion of evolink was last checked" in outcome.stderr


def test_the_same_conversion_again_changes_nothing(db_cli: Cli, db_url: str) -> None:
    convert(db_cli, "68", "2026-03-01").ok()
    assert convert(db_cli, "68.0", "2026-03-01").ok().stderr == "in force already: 68.0 CRD = 1 USD from 2026-03-01\n"
    assert value(db_url, "SELECT count(*) FROM conversions WHERE origin = 'user'") == 1


def test_a_conversion_of_the_same_start_is_corrected_with_a_reason(db_cli: Cli, db_url: str) -> None:
    convert(db_cli, "68", "2026-03-01").ok()
    refused = convert(db_cli, "69", "2026-03-01")
    assert refused.exit_code == 2
    assert "68 CRD = 1 USD from 2026-03-01 is known: give another --from, or --replace --reason R" in refused.stderr
    convert(db_cli, "69", "2026-03-01", "--replace", "--reason", "typo").ok()
    db_cli("ingest", "-", stdin=lines([response("r1", created_at="2026-03-01T00:00:00Z")])).ok()
    assert booked(db_url) == [("r1", REFERENCE_NANO, 69 * 10**9)]
    # And back to the first figure.
    convert(db_cli, "68", "2026-03-01", "--replace", "--reason", "no typo").ok()
    db_cli("ingest", "-", stdin=lines([response("r2", created_at="2026-03-01T00:00:00Z")])).ok()
    assert booked(db_url)[1] == ("r2", REFERENCE_NANO, 68 * 10**9)
    db_cli("verify").ok()


@pytest.mark.parametrize(
    ("per_usd", "start", "words"),
    [
        ("0", "2026-03-01", "must be above 0"),
        ("-1", "2026-03-01", "must be above 0"),
        ("1e3", "2026-03-01", "give a plain decimal"),
        ("NaN", "2026-03-01", "give a plain decimal"),
        ("1.0000000001", "2026-03-01", "at most 9 places"),
        ("9999999999999", "2026-03-01", "below 9 billion"),
        ("68", "2025-12-31", "the card's first day is 2026-02-01"),
        ("68", "yesterday", "isn't a time"),
        ("68", "2026-03-01T00:00:00", "has no time zone"),
    ],
)
def test_a_conversion_that_is_none_is_refused(cli: Cli, sqlite_url: str, per_usd: str, start: str, words: str) -> None:
    outcome = convert(cli, per_usd, start)
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert value(sqlite_url, "SELECT count(*) FROM conversions") == 0


def test_a_conversion_in_force_needs_no_file_beside_the_ledger(db_cli: Cli, tmp_path: Path) -> None:
    """User cards and conversions live in the database: a ledger is priced alike from any folder."""
    path = card(tmp_path, price("2026-03-01", "9"))
    db_cli("rates", "add", path).ok()
    convert(db_cli, "70", "2026-03-01").ok()
    path.unlink()
    db_cli("ingest", "-", stdin=lines([response("r1", created_at="2026-03-02T00:00:00Z")])).ok()
    total = db_cli("report", "--json").ok().json["total"]
    assert (nano(total["credits"]), nano(total["usd"])) == (318 * 9_000, usd(318 * 9_000, 70))


def test_written_and_call_prices_are_shown_where_there_are_any(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    card = tmp_path / "claude.toml"
    card.write_text(
        'provider = "anthropic"\ncurrency = "USD"\nper_tokens = 1_000_000\n[[model]]\nid = "claude"\n'
        '[[model.price]]\neffective_from = 2026-01-01\nper_call = "0.0000000001"\n'
        'tiers = [{ input = "3", output = "15", cache_write_5m = "3.75" }]\n'
    )
    assert not {"5m", "1h", "call"} & set(db_cli("rates", "list").ok().stdout.split())
    db_cli("rates", "add", card).ok()
    [row] = db_cli("rates", "show", "claude", "--json").ok().json["rows"]
    assert (row["cache_write_5m"], row["cache_write_1h"], row["per_call"]) == ("3.75", None, "0.0000000001")
    shown = db_cli("rates", "show", "claude").ok().stdout.split()
    assert {"5m", "call", "3.75", "0.0000000001"} <= set(shown)
    assert "1h" not in shown

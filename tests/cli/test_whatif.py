"""A month priced otherwise at the command line: each change by hand, all of them beside what is booked."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.errors import LedgerError
from tests.conftest import Cli, Outcome, close_connections
from tests.helpers.focus import APRIL, FEBRUARY, MARCH, adjust, close, fill, ingest, request, storage
from tests.helpers.ledgers import CODE, LITE, MINI, PRO, dearer_lite, flat_card, nano, rows
from tests.helpers.readers import as_reader
from tests.helpers.sources import lines

CREDIT = 10**9


def ask(cli: Cli, *options: object, month: str = MARCH) -> dict[str, Any]:
    found: dict[str, Any] = cli("whatif", "--month", month, "--json", *options).ok().json
    change = nano(found["total"]["change_usd"])
    for by in ("project", "model", "tier", "cause"):
        of = [row for row in found["rows"] if row["by"] == by]
        # Each row is rounded by itself; causes add up.
        assert abs(sum(nano(row["change_usd"]) for row in of) - change) <= (0 if by == "cause" else len(of))
    return found


def named(found: dict[str, Any], by: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in found["rows"] if row["by"] == by}


def causes(found: dict[str, Any]) -> dict[str, str]:
    return {name: row["change_usd"] for name, row in named(found, "cause").items() if row["change_usd"] != "0"}


def use(number: str, **changes: Any) -> dict[str, Any]:
    """A request of pro in its first tier: 30,000 tokens in, of which 10,000 from cache, and 1,000 out."""
    made = {"requested_model": PRO, "input_tokens": 30_000, "output_tokens": 1_000}
    return request(number) | made | changes


def booked(cli: Cli, month: str, by: str) -> dict[str, tuple[Any, ...]]:
    found = cli("report", "--json", "--month", month, "--by", by).ok().json
    return {row[by]: (row["requests"], row["usd"]) for row in found["rows"]}


def assert_replayed(cli: Cli, month: str) -> dict[str, Any]:
    """Pricing each request again by its own price gives the report, to the last digit."""
    found = ask(cli, month=month)
    total = cli("report", "--json", "--month", month).ok().json["total"]
    assert found["total"] == {
        "before_requests": total["requests"], "after_requests": total["requests"],
        "before_usd": total["usd"], "after_usd": total["usd"], "change_usd": "0",
    }  # fmt: skip
    for by in ("project", "model", "tier"):
        for side in ("before", "after"):
            sides = {name: (row[f"{side}_requests"], row[f"{side}_usd"]) for name, row in named(found, by).items()}
            assert sides == booked(cli, month, by)
    assert (found["requests_changed"], causes(found), found["unpriced"]["charges"]) == (0, {}, 0)
    return found


# --- as booked --------------------------------------------------------------------------------------------------------


def test_without_a_change_a_month_is_what_is_booked(db_cli: Cli) -> None:
    """Late usage, corrections of open and closed months, adjustments, two cards, storage, new prices."""
    fill(db_cli)
    db_cli("reassign", "--project", "search", "--to", "chat", "--id", "late").ok()
    ingest(db_cli, request("l1", "2026-03-20", requested_model=LITE), request("x", "2026-03-21"))
    db_cli("void", "--id", "x").ok()
    Path("card.toml").write_text(dearer_lite("2026-03-15"))
    db_cli("rates", "add", "card.toml").ok()
    db_cli("reprice", "--since", "2026-03-01", "--until", "2026-04-01").ok()
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-06").ok()
    found = assert_replayed(db_cli, MARCH)
    # r1, r2, late, s1, v1 and l1; not what was voided, nor the corrections of February.
    assert found["charges_priced"] == 6
    assert assert_replayed(db_cli, FEBRUARY)["charges_priced"] == 2
    close(db_cli, MARCH)
    db_cli("void", "--id", "r1").ok()
    assert assert_replayed(db_cli, MARCH)["charges_priced"] == 6
    assert assert_replayed(db_cli, APRIL)["charges_priced"] == 0


def test_the_months_of_the_examples_are_replayed(db_cli: Cli, examples: Path) -> None:
    db_cli("ingest", *sorted((examples / "usage").iterdir())).ok()
    for month in (FEBRUARY, MARCH, APRIL):
        assert_replayed(db_cli, month)


def test_nothing_is_posted_and_the_ledger_may_be_one_to_read(db_cli: Cli, db_url: str) -> None:
    fill(db_cli)
    tables = ("charges", "batches", "rate_entries", "conversions", "card_versions", "log_entries", "rollup_keys")
    before = [rows(db_url, f"SELECT * FROM {table} ORDER BY 1") for table in tables]
    Path("card.toml").write_text(dearer_lite("2026-03-01"))
    ask(db_cli, "--rates", "card.toml", "--model", f"{CODE}={LITE}", "--cap-input", 32_000)
    assert [rows(db_url, f"SELECT * FROM {table} ORDER BY 1") for table in tables] == before


def test_a_file_that_may_only_be_read_is_enough(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    cli("ingest", "-", "--db", folder / "tollbook.db", stdin=lines([use("a")])).ok()
    close_connections()
    (folder / "tollbook.db").chmod(0o444)
    folder.chmod(0o555)
    options = ("whatif", "--month", MARCH, "--model", f"{PRO}={LITE}", "--json", "--db", folder / "tollbook.db")

    def run() -> Outcome:
        return cli(*options)

    assert as_reader(tmp_path, run).ok().json["requests_changed"] == 1
    folder.chmod(0o755)


BATCH = """
[[model.price.service]]
names = ["batch", "bulk"]
factor = "0.5"
meters = ["input", "output"]
"""
CONTRACT = """\
provider = "evolink"
currency = "CRD"
[[contract]]
name = "acme"
models = ["doubao-seed-2.0-pro"]
effective_from = 2026-03-05
factor = "0.75"
meters = ["input", "output"]
"""


def sell_batches(cli: Cli) -> None:
    Path("batch.toml").write_text(flat_card(PRO, "2026-02-15", input=32, cached_input=8, output=160) + BATCH)
    cli("rates", "add", "batch.toml").ok()


def test_a_month_of_batches_contracts_providers_and_currencies_is_replayed(db_cli: Cli) -> None:
    sell_batches(db_cli)
    Path("contract.toml").write_text(CONTRACT)
    ingest(db_cli, use("a", occurred_at="2026-03-04T23:59:59Z"), use("b", service_tier="batch"), use("c"))
    booked_by_list = ask(db_cli, "--rates", "contract.toml")
    db_cli("rates", "add", "contract.toml").ok()
    db_cli("reprice", "--since", "2026-03-01", "--until", "2026-04-01").ok()
    assert named(booked_by_list, "model")[PRO]["after_usd"] == booked(db_cli, MARCH, "model")[PRO][1]
    assert booked_by_list["requests_changed"] == 2
    ingest(db_cli, use("d"), use("e", service_tier="bulk"), use("f", requested_model=LITE))
    ingest(db_cli, use("v"), options=("--provider", "volcengine", "--source", "v"))
    assert assert_replayed(db_cli, MARCH)["charges_priced"] == 7
    close(db_cli, MARCH)
    assert assert_replayed(db_cli, MARCH)["requests_changed"] == 0
    # What was served as standard is a batch under contract from its first day on.
    batches = ask(db_cli, "--service-tier", "batch", "--provider", "evolink")
    under_contract = (20_000 * 16 + 1_000 * 80) * 3 // 4 + 10_000 * 8
    before_it = 20_000 * 16 + 1_000 * 80 + 10_000 * 8
    assert named(batches, "model")[PRO]["after_amounts"]["CRD"] == f"{(4 * under_contract + before_it) / 10**6:g}"
    assert batches["unpriced"]["charges"] == 1


# --- each change ------------------------------------------------------------------------------------------------------


def test_another_model_is_priced_at_the_same_time_and_tier(db_cli: Cli) -> None:
    ingest(db_cli, use("a"), use("b", requested_model=LITE), use("c", requested_model=PRO, project="chat"))
    found = ask(db_cli, "--model", f"{PRO}={LITE}")
    pro = 20_000 * 32 + 10_000 * 6.4 + 1_000 * 160  # millionths of a credit: 0.864
    lite = 20_000 * 6 + 10_000 * 1.2 + 1_000 * 36  # 0.168
    assert (pro, lite) == (864_000, 168_000)
    of_models = {name: (row["before_amounts"], row["after_amounts"]) for name, row in named(found, "model").items()}
    assert of_models == {PRO: ({"CRD": "1.728"}, {}), LITE: ({"CRD": "0.168"}, {"CRD": "0.504"})}
    assert [row["before_requests"] for row in named(found, "model").values()] == [2, 1]
    assert [row["after_requests"] for row in named(found, "model").values()] == [0, 3]
    # 2 x 0.696 credits at 72.
    assert (found["total"]["change_usd"], causes(found)) == ("-0.019333333", {"models": "-0.019333333"})
    assert (found["charges_priced"], found["requests_changed"]) == (0, 2)  # sums do
    by_alias = ask(db_cli, "--model", "doubao-seed-2-0-pro-260215=doubao-seed-2-0-lite-260215")
    assert by_alias["rows"] == found["rows"]


def test_another_conversion_moves_usd_and_no_credits(db_cli: Cli) -> None:
    ingest(db_cli, use("a"), storage("s", "2026-03-05T10:00:00Z", "2026-03-05T11:00:00Z"))
    adjust(db_cli, "-7.2credits")
    found = ask(db_cli, "--per-usd", "68")
    # 0.864 + 0.17 credits; the adjustment of 7.2 stays at 72.
    assert found["before_amounts"] == found["after_amounts"] == {"CRD": "-6.166"}
    assert found["adjustments_usd"] == "-0.1"
    assert found["total"]["before_usd"] == "-0.085638889"  # 1.034 / 72 - 0.1
    assert found["total"]["after_usd"] == "-0.084794118"  # 1.034 / 68 - 0.1
    assert causes(found) == {"exchange_rate": "0.000844771"}
    assert found["charges_priced"] == 0  # sums do


def test_longer_prompts_are_cut_and_fall_into_a_cheaper_tier(db_cli: Cli) -> None:
    long = use("a", input_tokens=40_000, cached_input_tokens=10_000)
    ingest(db_cli, long, use("b"), use("c", input_tokens=40_000, cached_input_tokens=35_000, project="chat"))
    found = ask(db_cli, "--cap-input", 32_000)
    before = 30_000 * 48 + 10_000 * 6.4 + 1_000 * 240
    after = 22_000 * 32 + 10_000 * 6.4 + 1_000 * 160
    cut_into_cache = 32_000 * 6.4 + 1_000 * 160
    projects = named(found, "project")
    assert [projects["search"][f"{side}_amounts"]["CRD"] for side in ("before", "after")] == [
        f"{(before + 864_000) / 10**6:g}", f"{(after + 864_000) / 10**6:g}",
    ]  # fmt: skip
    assert projects["chat"]["after_amounts"] == {"CRD": f"{cut_into_cache / 10**6:g}"}
    tiers = {name: (row["before_requests"], row["after_requests"]) for name, row in named(found, "tier").items()}
    assert tiers == {"32000": (1, 3), "128000": (2, 0)}
    assert set(causes(found)) == {"prompt_length", "tier_mix", "cache"}
    assert ask(db_cli, "--cap-input", 40_000)["charges_priced"] == 0
    at_edge = ask(db_cli, "--cap-input", 32_001)
    assert {name for name, row in named(at_edge, "tier").items() if row["after_requests"]} == {"32000", "128000"}


def test_a_card_file_prices_as_if_it_had_been_in_force(db_cli: Cli) -> None:
    """New rates, storage and conversion of one provider; the other's usage stays."""
    ingest(db_cli, use("a"), use("b", requested_model=LITE))
    ingest(db_cli, storage("s", "2026-03-05T10:00:00Z", "2026-03-05T11:00:00Z"))
    ingest(db_cli, use("v", requested_model=LITE), options=("--provider", "volcengine", "--source", "v"))
    text = flat_card(CODE, "2026-03-01", input=10, cached_input=1, output=100)
    text += 'cache_storage_per_hour = "0.25"\n' + dearer_lite("2026-03-01").partition("per_tokens = 1_000_000")[2]
    text += '[[conversion]]\nper_usd = "80"\neffective_from = 2026-03-05\n'
    Path("card.toml").write_text(text)
    found = ask(db_cli, "--rates", "card.toml")
    models = {name: row["after_amounts"] for name, row in named(found, "model").items()}
    dearer = 20_000 * 9 + 10_000 * 1.2 + 1_000 * 54
    assert models == {
        PRO: {"CRD": "0.864"},
        LITE: {"CRD": f"{dearer / 10**6:g}", "CNY": "0.0168"},
        CODE: {"CRD": "0.25"},
    }
    assert found["before_amounts"] == {"CNY": "0.0168", "CRD": "1.202"}
    # 0.864 + 0.246 + 0.25 credits at 80, and 0.0168 CNY at 7.2.
    assert found["total"]["after_usd"] == "0.019333333"
    assert set(causes(found)) == {"price", "exchange_rate"}


def test_the_changes_of_storage_go_with_its_model(db_cli: Cli) -> None:
    ingest(db_cli, storage("s", "2026-03-05T10:00:00Z", "2026-03-05T12:00:00Z"))
    Path("card.toml").write_text(flat_card(LITE, "2026-03-01", input=1, cached_input=1, output=1))
    found = ask(db_cli, "--rates", "card.toml", "--model", f"{CODE}={LITE}")
    # The new entry of lite prices no storage: the charge stays.
    assert found["unpriced"]["charges"] == 1
    assert "no cache_storage rate" in found["unpriced"]["message"]
    assert (found["requests_changed"], found["total"]["change_usd"]) == (0, "0")
    assert named(ask(db_cli, "--model", f"{CODE}={LITE}"), "model")[LITE]["after_amounts"] == {"CRD": "0.34"}


def test_what_the_other_model_cant_take_stays_and_is_named(db_cli: Cli) -> None:
    Path("card.toml").write_text(
        flat_card("tiny", "2026-02-01", input=1, cached_input=1, output=1).replace("256_000", "32_000")
    )
    db_cli("rates", "add", "card.toml").ok()
    ingest(db_cli, use("a"), use("b", input_tokens=40_000, cached_input_tokens=0, output_tokens=0))
    found = ask(db_cli, "--model", f"{PRO}=tiny")
    assert (found["charges_priced"], found["requests_changed"]) == (2, 1)
    # 40,000 x 48 millionths of a credit, at 72.
    assert (found["unpriced"]["charges"], found["unpriced"]["usd"]) == (1, "0.026666667")
    assert "40000 are over the 32000" in found["unpriced"]["message"]
    assert named(found, "model")[PRO]["after_amounts"] == {"CRD": "1.92"}
    assert causes(found).keys() == {"models"}
    shown = db_cli("whatif", "--month", MARCH, "--model", f"{PRO}=tiny").ok().stdout
    assert "left at what is booked, 0.026666667 USD, as they can't be priced so: 1 charge; input_tokens" in shown
    assert ask(db_cli, "--model", f"{PRO}=tiny", "--cap-input", 32_000)["unpriced"]["charges"] == 0


def test_another_service_tier_is_priced_by_the_cards(db_cli: Cli) -> None:
    """Batch halves input and output; what has been served so, and cache storage, stays."""
    sell_batches(db_cli)
    ingest(db_cli, use("a"), use("b", service_tier="bulk"), use("c", requested_model=LITE))
    ingest(db_cli, storage("s", "2026-03-05T10:00:00Z", "2026-03-05T11:00:00Z"))
    assert assert_replayed(db_cli, MARCH)["charges_priced"] == 4
    standard = 20_000 * 32 + 10_000 * 8 + 1_000 * 160
    batch = 20_000 * 16 + 10_000 * 8 + 1_000 * 80
    for name in ("batch", "bulk"):
        found = ask(db_cli, "--service-tier", name)
        of_pro = named(found, "model")[PRO]
        assert of_pro["before_amounts"] == {"CRD": f"{(standard + batch) / 10**6:g}"}
        assert of_pro["after_amounts"] == {"CRD": f"{2 * batch / 10**6:g}"}
        # Nothing prices lite so: it stays.
        assert (found["requests_changed"], found["unpriced"]["charges"]) == (1, 1)
        assert "service_tier 'batch' has no price" in found["unpriced"]["message"]
        assert causes(found).keys() == {"price"}
    back = ask(db_cli, "--service-tier", "default")
    assert named(back, "model")[PRO]["after_amounts"] == {"CRD": f"{2 * standard / 10**6:g}"}
    # What is booked as a batch stays as booked, whatever the card says since.
    Path("dearer.toml").write_text(Path("batch.toml").read_text().replace("0.5", "0.75"))
    db_cli("rates", "add", "dearer.toml", "--replace", "--reason", "the page says so").ok()
    dearer = 20_000 * 24 + 10_000 * 8 + 1_000 * 120
    for name in ("batch", "bulk"):
        of_pro = named(ask(db_cli, "--service-tier", name), "model")[PRO]
        assert of_pro["after_amounts"] == {"CRD": f"{(batch + dearer) / 10**6:g}"}
    db_cli("rates", "add", "batch.toml", "--replace", "--reason", "it does not").ok()
    # One served in batch stays so where its model changes, and is left where the other one isn't sold so.
    moved = ask(db_cli, "--model", f"{PRO}={LITE}")
    assert (moved["requests_changed"], moved["unpriced"]["charges"]) == (1, 1)
    both = ask(db_cli, "--model", f"{LITE}={PRO}", "--service-tier", "batch")
    assert named(both, "model")[PRO]["after_amounts"] == {"CRD": f"{3 * batch / 10**6:g}"}


# --- together, and beside what really happens -------------------------------------------------------------------------


def test_changes_combine(db_cli: Cli) -> None:
    """Pro as lite, at lite's new price, cut to 32,000 tokens, at 68 credits for 1 USD."""
    ingest(db_cli, use("a", input_tokens=40_000), use("b", requested_model=MINI))
    Path("card.toml").write_text(dearer_lite("2026-03-01"))
    found = ask(
        db_cli, "--model", f"{PRO}={LITE}", "--rates", "card.toml", "--cap-input", 32_000, "--per-usd", "68"
    )  # fmt: skip
    after = 22_000 * 9 + 10_000 * 1.2 + 1_000 * 54
    assert named(found, "model")[LITE]["after_amounts"] == {"CRD": f"{after / 10**6:g}"}
    mini = 20_000 * 2 + 10_000 * 0.4 + 1_000 * 20
    assert nano(found["total"]["after_usd"]) == round((after + mini) * 1_000 / 68)
    assert found["changes"] == {
        "models": {PRO: LITE}, "rates": ["card.toml"], "per_usd": "68", "service_tier": None, "cap_input": 32_000,
        "provider": None,
    }  # fmt: skip


@pytest.mark.parametrize("start", ["2026-02-01", "2026-03-15"])
def test_a_card_gives_what_repricing_by_it_gives(db_cli: Cli, db_url: str, start: str, examples: Path) -> None:
    db_cli("ingest", *sorted((examples / "usage").iterdir())).ok()
    adjust(db_cli, "-12.50usd")
    text = dearer_lite(start) + f'[[conversion]]\nper_usd = "68.5"\neffective_from = {start}\n'
    Path("card.toml").write_text(text + '[settlement]\nquantum = "0.01"\nmode = "ceil"\n')
    found = ask(db_cli, "--rates", "card.toml")
    assert found["requests_changed"] > 0
    replace = ("--replace", "--reason", "as if") if start == "2026-02-01" else ()
    db_cli("rates", "add", "card.toml", *replace).ok()
    assert named(ask(db_cli, "--rates", "card.toml"), "project") == named(found, "project")
    db_cli("reprice", "--since", "2026-03-01", "--until", "2026-04-01").ok()
    for by in ("project", "model", "tier"):
        after = {name: (row["after_requests"], row["after_usd"]) for name, row in named(found, by).items()}
        assert after == booked(db_cli, MARCH, by)
    assert_replayed(db_cli, MARCH)
    # Now that the card is in force and booked, it changes nothing.
    again = ask(db_cli, "--rates", "card.toml")
    assert (again["requests_changed"], again["total"]["change_usd"]) == (0, "0")


def test_corrections_of_closed_months_and_adjustments_stay_as_booked(db_cli: Cli) -> None:
    fill(db_cli)
    found = ask(db_cli, "--model", f"{CODE}={MINI}")
    report = db_cli("report", "--json", "--month", MARCH).ok().json
    assert found["corrections_usd"] == report["corrections_usd"] != "0"
    assert found["adjustments_usd"] == report["adjustments_usd"] == "0"
    # r1, r2 and the late one; of February's, `f1` was voided and `f2` went to `chat`.
    assert found["requests_changed"] == 3
    chat = named(found, "project")["chat"]
    assert chat["before_usd"] == chat["after_usd"]
    shown = db_cli("whatif", "--month", MARCH, "--model", f"{CODE}={MINI}").ok().stdout
    assert f"in both totals as booked: {report['corrections_usd']} USD corrections of closed months" in shown


def test_one_provider_alone_can_be_changed(db_cli: Cli) -> None:
    ingest(db_cli, use("a"))
    ingest(db_cli, use("v"), options=("--provider", "volcengine", "--source", "v"))
    both = ask(db_cli, "--model", f"{PRO}={LITE}")
    assert both["requests_changed"] == 2
    one = ask(db_cli, "--model", f"{PRO}={LITE}", "--provider", "volcengine", "--per-usd", "7", "--cap-input", 1)
    assert one["requests_changed"] == 1
    assert named(one, "model")[PRO]["after_amounts"] == {"CRD": "0.864"}
    refused = db_cli("whatif", "--month", MARCH, "--per-usd", "70")
    assert (refused.exit_code, "amounts in CNY and CRD" in refused.stderr) == (2, True)

    newer = ("whatif", "--month", MARCH, "--json", "--model")
    refused = db_cli(*newer, f"{PRO}=doubao-seed-2.1-pro")
    assert (refused.exit_code, "The card of evolink knows" in refused.stderr) == (2, True)
    found = db_cli(*newer, f"{PRO}=doubao-seed-2.1-pro", "--provider", "volcengine").ok().json["unpriced"]
    assert (found["charges"], "has no price at 2026-03-05" in found["message"]) == (1, True)
    # Nothing is billed as code: that one provider lacks the other model is no fault.
    assert "nothing of" in db_cli(*newer, f"{CODE}=doubao-seed-2.1-pro").ok().stderr


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_people_see_what_moves_and_files_have_all(cli: Cli) -> None:
    ingest(cli, use("a"), use("b", requested_model=LITE, project="chat"))
    asked = ("whatif", "--month", MARCH, "--model", f"{PRO}={MINI}")
    table = cli(*asked).ok()
    assert table.stdout.startswith(f"What if, {MARCH} (posted, UTC): {PRO} as {MINI}\n")
    assert ("chat" in table.stdout, "cheaper models" in table.stdout, table.stderr) == (False, True, "")
    read = list(csv.DictReader(io.StringIO(cli(*asked, "--format", "csv").ok().stdout)))
    assert [(row["by"], row["name"]) for row in read[:5]] == [
        ("project", "search"), ("project", "chat"), ("model", PRO), ("model", MINI), ("model", LITE),
    ]  # fmt: skip
    assert [row["name"] for row in read if row["by"] == "cause"][:2] == ["requests", "prompt_length"]
    assert read[0]["before_amounts"] == '{"CRD":"0.864"}'
    assert f"| model | {PRO} | 1 | 0 | 0.012 | 0 | -0.012 |" in cli(*asked, "--format", "markdown").ok().stdout
    narrow = cli(*asked, env={"COLUMNS": "60"}).ok()
    assert max(map(len, narrow.stdout.splitlines())) <= 60
    assert "left out to fit 60 columns" in narrow.stderr


def test_a_month_without_a_change_says_so(cli: Cli) -> None:
    ingest(cli, use("a"))
    shown = cli("whatif", "--month", MARCH).ok().stdout
    assert "1 charge priced again by its own price: 0 differ from what is booked" in shown
    shown = cli("whatif", "--month", MARCH, "--cap-input", 1_000_000).ok().stdout
    assert "nothing changes" in shown
    noted = cli("whatif", "--month", MARCH, "--model", f"{CODE}={LITE}").ok().stderr
    assert f"nothing of {MARCH} is billed as {CODE} of evolink: that changes nothing" in noted
    noted = cli("whatif", "--month", FEBRUARY, "--model", f"{CODE}={LITE}").ok().stderr
    assert f"nothing is booked in {FEBRUARY}" in noted


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", PRO], "isn't a change: give the model and the one to price it as, such as"),
        (["--model", f"{PRO}="], "isn't a change"),
        (["--model", f"doubao-seed-2.0-por={LITE}"], f"did you mean '{PRO}'? The card of evolink knows"),
        (["--model", f"{PRO}=doubao-seed-2.0-lit"], f"did you mean '{LITE}'?"),
        (["--model", f"{PRO}={LITE}", "--model", f"{PRO}={MINI}"], "is to be priced as another model already"),
        (["--service-tier", "batch"], "the card of evolink prices default; for another give --rates FILE"),
        (["--service-tier", "defualt"], "did you mean 'default'?"),
        (["--per-usd", "0"], "must be above 0 and below 9 billion"),
        (["--per-usd", "1e3"], "give a plain decimal of at most 9 places"),
        (["--cap-input", "0"], "--cap-input"),
        (["--provider", "evolnk"], "provider 'evolnk' has no rate card: known are evolink, volcengine"),
        (["--rates", "none.toml"], "none.toml"),
        (["--month", "2099-01"], "has not begun"),
        (["--month", "March"], "--month"),
    ],
)
def test_what_cant_be_meant_is_refused(cli: Cli, options: list[str], said: str) -> None:
    ingest(cli, use("a"))
    found = cli("whatif", "--month", MARCH, *options)
    assert (found.exit_code, found.stdout) == (2, "")
    assert said in found.stderr
    assert len(found.stderr.splitlines()) == 1 or found.stderr.startswith("Usage:")


def test_a_ledger_that_is_not_there_is_named(cli: Cli) -> None:
    found = cli("whatif", "--month", MARCH)
    assert (found.exit_code, "tollbook.db" in found.stderr) == (2, True)


def test_a_program_gets_the_same_as_typed_rows(db_cli: Cli, db_url: str) -> None:
    fill(db_cli)
    Path("card.toml").write_text(dearer_lite("2026-03-01"))
    shown = ask(
        db_cli, "--model", f"{CODE}={LITE}", "--rates", "card.toml", "--per-usd", "68.5", "--provider", "evolink"
    )  # fmt: skip
    with Ledger(db_url) as ledger:
        found = ledger.whatif(
            MARCH, model={CODE: LITE}, rates=Path("card.toml"), per_usd=Decimal("68.5"), provider="evolink"
        )
        assert ledger.whatif(MARCH, cap_input=32_000).causes["price"] == 0
        with pytest.raises(LedgerError, match="The cards of evolink and volcengine know"):
            ledger.whatif(MARCH, model={"doubao-9": LITE})
    assert [(row.by, row.name, row.before_requests, row.after_requests, row.change_usd) for row in found] == [
        (row["by"], row["name"], row["before_requests"], row["after_requests"], Decimal(row["change_usd"]))
        for row in shown["rows"]
        if row["by"] != "cause"
    ]
    assert dict(found.causes) == {name: Decimal(row["change_usd"]) for name, row in named(shown, "cause").items()}
    assert {code: str(amount) for code, amount in found.total.after_amounts.items()} == shown["after_amounts"]
    assert str(found.corrections_usd) == shown["corrections_usd"]
    assert (found.charges_priced, found.requests_changed) == (shown["charges_priced"], shown["requests_changed"])
    assert found[0] == found.rows[0]
    assert len(found[:2]) == 2

"""Statements in USD that are the ledger's credits at another conversion, as a whole: it is told, with what mends it."""

from __future__ import annotations

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import LITE
from tests.helpers.reconciling import NOON, book, causes, reconcile
from tests.helpers.wallets import close

# Output of pro that costs 8.5 credits, and twice that, at 72 for 1 USD.
CREDIT = 1_000_000 // 160
A, B = {"request_id": "a", "output_tokens": 17 * CREDIT // 2}, {"request_id": "b", "output_tokens": 17 * CREDIT}
AT_68 = "request_id,day,amount / a,2026-03-01,$0.125 / b,2026-03-01,$0.250"


def test_a_statement_at_another_figure_is_told_with_what_it_moves_and_what_mends_it(db_cli: Cli) -> None:
    book(db_cli, A, B)
    found = reconcile(db_cli, AT_68)
    [note] = found.json["conversion_notes"]
    # 25.5/68 - 25.5/72
    assert (note["kind"], note["found_per_usd"], note["found_on"], note["difference_percent"], note["moves_usd"]) == (
        "statement", "68", "2026-03-01", "-5.6", "0.020833333",
    )  # fmt: skip
    assert (
        "Note: the conversion of evolink is 72 CRD = 1 USD, but the statement is at 68 from 2026-03-01, 5.6 % less: "
        "usage from then on costs 0.020833333 USD more by that; 'tollbook rates conversion add --provider evolink "
        "--per-usd 68 --from 2026-03-01' mends it, and 'tollbook reprice' what is booked\n"
    ) in found.stderr
    assert causes(found) == ["", ""]
    db_cli(*note["command"].split()[1:]).ok()
    mended = reconcile(db_cli, AT_68)
    assert ("conversion_notes" in mended.json, causes(mended)) == (False, ["conversion", "conversion"])
    db_cli("reprice", "--since", "2026-03-01").ok()
    assert reconcile(db_cli, AT_68).exit_code == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("$0.125", None),  # one key agrees with any figure
        ("$0.125", "$0.260"),  # not at one figure
        ("$0.118055556", "$0.236111111"),  # 8.5/72 and 17/72
        ("$0.119", "$0.238"),  # 0.8 % from them
        ("$0", "$0"),
        ("8", "16"),  # credits
    ],
)
def test_what_is_explained_otherwise_is_no_word_of_a_conversion(cli: Cli, first: str, second: str | None) -> None:
    book(cli, A, B)
    rows = [f"a,2026-03-01,{first}"] + ([f"b,2026-03-01,{second}"] if second else [])
    assert "conversion_notes" not in reconcile(cli, " / ".join(["request_id,day,amount", *rows])).json


def test_rounding_and_what_one_side_has_alone_stand_in_nobodys_way(cli: Cli) -> None:
    book(cli, A, B, {"request_id": "c", "output_tokens": CREDIT}, {"request_id": "d", "output_tokens": CREDIT})
    # 1/68 is 0.0147: 26.5 credits are 0.39 USD.
    found = reconcile(cli, f"{AT_68} / c,2026-03-01,$0.015 / e,2026-03-01,$9.99")
    assert found.json["conversion_notes"][0]["found_per_usd"] == "67.948717949"


def test_days_and_models_are_keys_too(cli: Cli) -> None:
    lite = {"request_id": "c", "requested_model": LITE, "input_tokens": 30_000}
    book(cli, A, lite, B | {"occurred_at": "2026-03-02" + NOON})
    pro = "doubao-seed-2.0-pro"
    rows = f"2026-03-01,{pro},0.125,usd / 2026-03-01,{LITE},0.003,usd / 2026-03-02,{pro},0.250,usd"
    [note] = reconcile(cli, f"day,model,amount,currency / {rows}").json["conversion_notes"]
    # 25.68 credits for 0.378 USD
    assert (note["found_on"], note["found_per_usd"]) == ("2026-03-01", "67.936507937")


def test_a_period_of_two_conversions_has_no_one_figure(cli: Cli) -> None:
    book(cli, A, B | {"occurred_at": "2026-03-05" + NOON})
    text = AT_68.replace("b,2026-03-01", "b,2026-03-05")
    assert "conversion_notes" in reconcile(cli, text).json
    cli("rates", "conversion", "add", "--per-usd", "71", "--from", "2026-03-04").ok()
    assert "conversion_notes" not in reconcile(cli, text).json


def test_nothing_is_said_of_closed_months(cli: Cli) -> None:
    book(cli, A, B)
    close(cli, "2026-03")
    assert "conversion_notes" not in reconcile(cli, AT_68).json


def test_other_currencies_have_conversions_too(cli: Cli) -> None:
    book(cli, A | {"provider": "volcengine"}, B | {"provider": "volcengine"})
    # 0.85 and 1.7 CNY at 6.8 instead of 7.2.
    [note] = reconcile(cli, AT_68, "--provider", "volcengine").json["conversion_notes"]
    assert (note["provider"], note["currency"], note["found_per_usd"]) == ("volcengine", "CNY", "6.8")

"""Two estimates compared: what changed, by how much, and why; expected values by hand from the seed's prices."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from ledger.errors import LedgerError
from ledger.estimates.changes.compare import compare
from ledger.estimates.changes.document import WorkloadChange
from ledger.estimates.changes.tier_moves import dearest
from ledger.estimates.workloads.read_document import read_workloads
from pricing.money import format_usd
from pricing.rate_card import RateCard
from pricing.rate_entry import PromptTier
from tests.helpers.changes import AT, CODE, EVOLINK, LITE, MINI, VOLCENGINE, changed_card, document, side, usd, workload

MILLION = 1_000_000


def warned(before: Any, after: Any) -> list[str]:
    return [warning.text for warning in compare(before, after).warnings]


def only(before: Any, after: Any, **sides: Any) -> WorkloadChange:
    """The change of the one workload that both sides have."""
    found = compare(side(before), side(after))
    assert len(found.workloads) == 1
    return found.workloads[0]


SEED_1_8 = "doubao-seed-1.8"


def test_a_prompt_that_crosses_the_edge() -> None:
    found = compare(side(workload("summarise", 32_000)), side(workload("summarise", 32_001)))
    before = Fraction(32_000 * 32 * 1_000, MILLION)  # credits a month
    after = Fraction(32_001 * 48 * 1_000, MILLION)
    change = found.workloads[0]
    assert change.status == "changed"
    assert change.changes == ["prompts"]
    assert (change.before_usd_per_month, change.after_usd_per_month) == (usd(before), usd(after))
    assert change.change_usd == format_usd(Fraction(usd(after)) - Fraction(usd(before)))
    assert change.change_percent == "50"  # 48 ÷ 32 is 1.5; the one token more is 0.005 %
    assert (change.tier_before, change.tier_after) == (32_000, 128_000)
    assert (change.price_change_usd, change.prompt_change_usd) == ("0", change.change_usd)
    assert [warning.text for warning in found.warnings] == [
        "summarise moves from tier 32,000 to 128,000: all its input costs 1.5 ×, all its output 1.5 ×"
    ]


def test_a_move_to_a_cheaper_tier_is_no_warning() -> None:
    assert compare(side(workload("a", 32_001)), side(workload("a", 32_000))).warnings == []


def test_an_answer_that_crosses_the_edge() -> None:
    short, long = (workload("a", 9, model=SEED_1_8, card=VOLCENGINE, output=output) for output in (200, 201))
    assert [warning.text for warning in compare(side(short), side(long)).warnings] == [
        "a moves from tier 32,000/200 to 32,000: all its input costs 1 ×, all its output 4 ×"
    ]
    assert compare(side(long), side(short)).warnings == []


def test_a_move_compares_the_rates_of_both_sides() -> None:
    """From code's first tier to lite's second: 9.6 ÷ 32 of the input, which is what a reviewer has to know."""
    found = compare(side(workload("a", 32_000)), side(workload("a", 32_001, model=LITE)))
    old, new = EVOLINK.entry_at(CODE, AT).tiers[0], EVOLINK.entry_at(LITE, AT).tiers[1]
    by_input, by_output = (
        f"{Decimal(now) / Decimal(then):.2f}".rstrip("0").rstrip(".")
        for now, then in ((new.input_pico, old.input_pico), (new.output_pico, old.output_pico))
    )
    assert float(by_input) < 1
    assert [warning.text for warning in found.warnings] == [
        f"a moves from tier 32,000 to 128,000: all its input costs {by_input} ×, all its output {by_output} ×"
    ]
    # Prices in two currencies aren't compared.
    found = compare(side(workload("a", 32_000)), side(workload("a", 32_001, card=VOLCENGINE)))
    assert [warning.text for warning in found.warnings] == ["a moves from tier 32,000 to 128,000"]


def test_a_change_of_what_is_not_counted_is_a_change() -> None:
    def holding(names: list[str], digest: str | None = None) -> Any:
        held = workload("a", 1_000)
        held.prompts[0].uncounted, held.prompts[0].uncounted_digest = names, digest
        return held

    def found(before: Any, after: Any) -> tuple[str, list[str]]:
        comparison = compare(side(before), side(after))
        return comparison.workloads[0].status, [warning.text for warning in comparison.warnings]

    nothing, file, other = holding([]), holding(["1 file"], "ab"), holding(["1 file"], "cd")
    said = "a: what isn't counted has changed, at a cost that isn't known"
    assert found(nothing, file) == ("changed", [f"{said}: nothing → a.txt: 1 file"])
    assert found(file, nothing) == ("changed", [f"{said}: a.txt: 1 file → nothing"])
    assert found(file, other) == ("changed", [f"{said}: other content of a.txt: 1 file"])
    assert found(file, file) == ("unchanged", [])


def test_tokens_before_and_after_are_of_requests_whose_counts_differ() -> None:
    change = only(workload("a", 1_000, 2_000, 3_000), workload("a", 1_000, 2_500))
    assert [(p.name, p.input_tokens_before, p.input_tokens_after) for p in change.prompts] == [
        ("b.txt", 2_000, 2_500),
        ("c.txt", 3_000, None),
    ]


def test_mini_doubles() -> None:
    found = compare(side(workload("a", 32_000, model=MINI)), side(workload("a", 200_000, model=MINI)))
    assert [warning.text for warning in found.warnings] == [
        "a moves from tier 32,000 to 256,000: all its input costs 4 ×, all its output 4 ×"
    ]


def test_a_prompt_beside_the_dearest_that_moves_is_named() -> None:
    found = compare(side(workload("a", 40_000, 31_000)), side(workload("a", 40_000, 33_000)))
    assert [warning.text for warning in found.warnings] == [
        "a: b.txt moves from tier 32,000 to 128,000: all its input costs 1.5 ×, all its output 1.5 ×"
    ]
    assert (found.workloads[0].tier_before, found.workloads[0].tier_after) == (128_000, 128_000)


def test_the_dearest_prompt_is_the_one_that_costs_most() -> None:
    assert dearest(workload("a", 100, 32_001, 32_000)).input_tokens == 32_001
    assert dearest(workload("a", 0, 0)).input_tokens == 0
    assert dearest(workload("a", 256_001, 256_000)).amount is None


@pytest.mark.parametrize(
    ("after", "kinds"),
    [
        ({"requests": 2_000}, ["requests_per_month"]),
        ({"output": 500}, ["output_tokens"]),
        ({"cached": 10}, ["cached_input_tokens"]),
        ({"model": LITE}, ["model"]),
        ({"card": VOLCENGINE}, ["prices"]),
        ({"model": LITE, "card": VOLCENGINE}, ["model", "prices"]),
        ({"requests": 1, "output": 1}, ["output_tokens", "requests_per_month"]),
    ],
)
def test_a_change_of_configuration_is_told_by_its_key(after: dict[str, Any], kinds: list[str]) -> None:
    assert only(workload("a", 1_000), workload("a", 1_000, **after)).changes == kinds


def test_what_is_added_at_run_time_is_no_change_of_the_prompt() -> None:
    assert only(workload("a", 1_000), workload("a", 1_500, extra=500)).changes == ["extra_input_tokens"]
    assert only(workload("a", 1_500, extra=500), workload("a", 1_600, extra=500)).changes == ["prompts"]
    both = only(workload("a", 1_000), workload("a", 1_600, extra=500)).changes
    assert both == ["prompts", "extra_input_tokens"]


def test_another_number_of_alternatives_is_a_change_of_the_prompts() -> None:
    assert only(workload("a", 1_000), workload("a", 1_000, 3_000)).changes == ["prompts"]
    assert only(workload("a", 1_000, 3_000), workload("a", 3_000, 1_000)).status == "unchanged"


@pytest.mark.parametrize(
    ("inputs", "cached", "kinds"),
    [
        # 300 of 1,000 and 450 of 1,500 are one share of 30 %, by rounding 449 of 1,497 too.
        (1_500, 450, ["prompts"]),
        (1_497, 449, ["prompts"]),
        (1_500, 300, ["prompts"]),
        (1_500, 400, ["prompts", "cached_input_tokens"]),
        (1_000, 301, ["cached_input_tokens"]),
    ],
)
def test_a_cached_share_is_no_change_where_only_the_prompt_is(inputs: int, cached: int, kinds: list[str]) -> None:
    before, after = workload("a", 1_000, cached=300), workload("a", inputs, cached=cached)
    assert only(before, after).changes == kinds


def test_a_price_change_is_apart_from_the_prompt() -> None:
    dearer = changed_card(input_pico=40 * MILLION)
    before = side(workload("a", 1_000, output=100))
    after = side(workload("a", 1_500, output=100, card=dearer), cards=[dearer])
    change = compare(before, after).workloads[0]
    old = Fraction(1_000 * 32 + 100 * 160, 1_000)  # credits a month
    priced_again = Fraction(1_000 * 40 + 100 * 160, 1_000)
    new = Fraction(1_500 * 40 + 100 * 160, 1_000)
    assert change.changes == ["prices", "prompts"]
    assert change.price_change_usd == format_usd(Fraction(usd(priced_again)) - Fraction(usd(old)))
    assert change.prompt_change_usd == format_usd(Fraction(usd(new)) - Fraction(usd(priced_again)))
    parts = Fraction(change.price_change_usd) + Fraction(change.prompt_change_usd or 0)
    assert format_usd(parts) == change.change_usd


def test_a_price_change_alone_leaves_the_prompt_nothing() -> None:
    dearer = changed_card(input_pico=64 * MILLION)
    before, after = side(workload("a", 1_000)), side(workload("a", 1_000, card=dearer), cards=[dearer])
    found = compare(before, after)
    assert found.workloads[0].changes == ["prices"]
    before_usd, after_usd = (Fraction(usd(Fraction(1_000 * rate, 1_000))) for rate in (32, 64))
    assert found.workloads[0].price_change_usd == format_usd(after_usd - before_usd)
    assert found.workloads[0].prompt_change_usd == "0"
    assert (found.total.price_change_usd, found.total.prompt_change_usd) == (found.total.change_usd, "0")


def test_another_model_is_configuration_and_no_price_change() -> None:
    since = replace(EVOLINK.conversions[0], per_usd_nano=68 * 10**9)
    later = RateCard("evolink", "CRD", EVOLINK.models, (since,))
    before = side(workload("a", 1_000))
    change = compare(before, side(workload("a", 1_000, model=LITE))).workloads[0]
    assert (change.price_change_usd, change.prompt_change_usd) == ("0", change.change_usd)
    assert change.change_usd == format_usd(Fraction(usd(Fraction(6))) - Fraction(usd(Fraction(32))))
    # By another conversion too, that of the counts of before is the price part.
    both = compare(before, side(workload("a", 1_000, model=LITE, card=later), cards=[later])).workloads[0]
    assert both.price_change_usd == format_usd(Fraction(usd(Fraction(32), 68)) - Fraction(usd(Fraction(32))))
    abroad = compare(before, side(workload("a", 1_000, model=LITE, card=VOLCENGINE))).workloads[0]
    assert (abroad.price_change_usd, abroad.prompt_change_usd) == (None, None)


def test_another_conversion_is_a_price_change() -> None:
    since = replace(EVOLINK.conversions[0], per_usd_nano=68 * 10**9)
    card = RateCard("evolink", "CRD", EVOLINK.models, (since,))
    change = compare(side(workload("a", 1_000)), side(workload("a", 1_000, card=card), cards=[card])).workloads[0]
    assert change.changes == ["prices"]
    credits_per_month = Fraction(1_000 * 32, 1_000)
    expected = Fraction(usd(credits_per_month, 68)) - Fraction(usd(credits_per_month, 72))
    assert change.price_change_usd == change.change_usd == format_usd(expected)


def test_an_entry_with_another_date_and_the_same_rates_is_no_price_change() -> None:
    entry = EVOLINK.entry_at(CODE, AT)
    later = replace(entry, effective_from=AT, cache_storage_pico=1)
    card = RateCard(
        "evolink",
        "CRD",
        {CODE: replace(EVOLINK.models[CODE], entries=(later,))},
        EVOLINK.conversions,
    )
    assert later.key != entry.key
    change = compare(side(workload("a", 1_000)), side(workload("a", 1_000, card=card), cards=[card])).workloads[0]
    assert (change.status, change.changes) == ("unchanged", [])


def test_counts_that_the_new_prices_cant_price_leave_the_parts_open() -> None:
    entry = EVOLINK.entry_at(CODE, AT)
    short = replace(entry, tiers=(PromptTier(32_000, 1, None, 1),))
    card = RateCard(
        "evolink",
        "CRD",
        {CODE: replace(EVOLINK.models[CODE], entries=(short,))},
        EVOLINK.conversions,
    )
    before, after = side(workload("a", 40_000)), side(workload("a", 30_000, card=card), cards=[card])
    change = compare(before, after).workloads[0]
    assert change.change_usd is not None
    assert (change.price_change_usd, change.prompt_change_usd) == (None, None)


def test_new_removed_and_unchanged_workloads() -> None:
    before = side(workload("kept", 1_000), workload("gone", 2_000))
    after = side(workload("fresh", 500), workload("kept", 1_000))
    found = compare(before, after)
    assert [(change.name, change.status) for change in found.workloads] == [
        ("fresh", "new"),
        ("kept", "unchanged"),
        ("gone", "removed"),
    ]
    fresh, kept, gone = found.workloads
    assert (fresh.before_usd_per_month, fresh.after_usd_per_month) == ("0", usd(Fraction(500 * 32, 1_000)))
    assert (fresh.change_usd, fresh.change_percent) == (fresh.after_usd_per_month, None)
    assert (fresh.tier_before, fresh.tier_after) == (None, 32_000)
    assert (kept.change_usd, kept.change_percent) == ("0", "0")
    assert gone.change_usd == f"-{usd(Fraction(2_000 * 32, 1_000))}"
    assert (gone.change_percent, gone.tier_before, gone.tier_after) == ("-100", 32_000, None)
    total = found.total
    then, now, change = total.before_usd_per_month, total.after_usd_per_month, total.change_usd
    assert then is not None
    assert change is not None
    assert Fraction(change) == Fraction(now) - Fraction(then)
    assert total.change_percent == "-50"  # 3,000 tokens before, 1,500 after


def test_without_a_baseline_everything_is_new() -> None:
    found = compare(None, side(workload("a", 1_000), workload("b", 1_000)))
    assert [change.status for change in found.workloads] == ["new", "new"]
    assert (found.total.before_usd_per_month, found.total.change_percent) == ("0", None)
    assert found.total.change_usd == found.total.after_usd_per_month


def test_nothing_before_has_no_percentage() -> None:
    change = only(workload("a", 1_000, requests=0), workload("a", 1_000, requests=10))
    assert (change.before_usd_per_month, change.change_percent) == ("0", None)
    both = only(workload("a", 1_000, requests=0), workload("a", 1_001, requests=0))
    assert (both.status, both.change_usd, both.change_percent) == ("changed", "0", None)


def test_percentages_are_rounded_half_even_to_one_decimal() -> None:
    assert only(workload("a", 1_000), workload("a", 1_125)).change_percent == "12.5"
    assert only(workload("a", 3_000), workload("a", 4_000)).change_percent == "33.3"
    assert only(workload("a", 3_000), workload("a", 1_000)).change_percent == "-66.7"


def test_without_a_price_there_is_no_change() -> None:
    found = compare(side(workload("a", 256_000), workload("b", 100)), side(workload("a", 256_001), workload("b", 100)))
    change = found.workloads[0]
    assert (change.status, change.after_usd_per_month, change.change_usd) == ("changed", None, None)
    assert (change.change_percent, change.price_change_usd, change.prompt_change_usd) == (None, None, None)
    assert (change.tier_before, change.tier_after) == (256_000, None)
    assert [warning.text for warning in found.warnings] == [
        "the total after is without a: too long for any tier, so without a price"
    ]
    back = compare(side(workload("a", 256_001)), side(workload("a", 256_000)))
    assert back.workloads[0].change_usd is None
    assert [warning.text for warning in back.warnings] == [
        "the total before is without a: too long for any tier, so without a price"
    ]


def test_warnings_of_what_changed_are_passed_on() -> None:
    before = side(workload("a", 1_000), workload("b", 1_000, warnings=["said before"]))
    after = side(workload("a", 1_001, warnings=["output counts as 0"]), workload("b", 1_000, warnings=["said before"]))
    assert warned(before, after) == ["a: output counts as 0"]
    assert warned(None, after) == ["a: output counts as 0", "b: said before"]


def test_what_several_prompts_warn_of_is_said_once() -> None:
    one = workload("a", 1_000, 2_000, 3_000)
    one.prompts[0].warnings.append("images are not counted")
    one.prompts[2].warnings.extend(["images are not counted", "tools are not counted"])
    assert compare(None, side(one)).warnings == [
        ("a", "a: a.txt and 1 more: images are not counted"),
        ("a", "a: c.txt: tools are not counted"),
    ]


def test_another_way_of_counting_is_told_from_another_prompt() -> None:
    before, after = side(workload("a", 1_000)), side(workload("a", 1_100), encoding="cl100k_base")
    found = compare(before, after)
    assert found.workloads[0].changes == ["counting"]
    change = found.workloads[0]
    assert (change.counting_change_usd, change.prompt_change_usd) == (change.change_usd, "0")
    assert found.total.counting_change_usd == change.change_usd
    assert [warning.text for warning in found.warnings] == [
        (
            f"a: counted by another encoding than before, which makes {change.change_usd} USD of its change; "
            "no gate is about that"
        )
    ]
    calibrated = side(workload("a", 1_100), calibration={CODE: {"factor": "1.1"}})
    assert compare(before, calibrated).workloads[0].changes == ["counting"]
    newer = side(workload("a", 1_100), counting=3)
    assert compare(before, newer).workloads[0].changes == ["counting", "prompts"]
    assert "counted by another version of tollbook than before" in compare(before, newer).warnings[0].text
    same = compare(side(workload("a", 1_000), encoding="cl100k_base"), after)
    assert (same.workloads[0].changes, same.warnings) == (["prompts"], [])


def test_a_new_models_calibration_is_no_other_counting() -> None:
    summaries = {CODE: {"factor": "1.1"}, LITE: {"factor": "1.2"}}
    before = side(workload("a", 1_000), calibration={CODE: summaries[CODE]})
    after = side(workload("a", 1_100), workload("b", 1_000, model=LITE), calibration=summaries)
    found = compare(before, after)
    assert [change.changes for change in found.workloads] == [["prompts"], []]
    assert [warning.text for warning in found.warnings] == []


# --- documents ------------------------------------------------------------------------------------------------------


def written(*workloads: Any, **changes: Any) -> dict[str, Any]:
    """An estimate as its JSON reads back."""
    raw: dict[str, Any] = json.loads(msgspec.json.encode(document(*workloads)))
    return raw | changes


def test_a_document_reads_back_as_it_was_written() -> None:
    original = document(workload("a", 1_000, 40_000, output=5), workload("b", 256_001))
    assert read_workloads(json.loads(msgspec.json.encode(original)), "base.json") == original


def with_workload(key: str, value: object) -> dict[str, Any]:
    raw = written(workload("a", 1_000))
    raw["workloads"][0][key] = value
    return raw


def without(key: str) -> dict[str, Any]:
    raw = written(workload("a", 1_000))
    del raw[key]
    return raw


def with_changed_rates() -> dict[str, Any]:
    raw = written(workload("a", 1_000))
    next(iter(raw["rates"].values()))["tiers"][0][1] = 1
    return raw


def crafted(**facts: Any) -> dict[str, Any]:
    """An estimate whose price entry is under the key that its content has, whatever that is."""
    raw = written(workload("a", 1_000))
    rates = {**next(iter(raw["rates"].values())), **facts}
    text = json.dumps(rates, sort_keys=True, separators=(",", ":"))
    card = f"evolink/{CODE}/2026-02-01#{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    raw["rates"] = {card: rates}
    raw["workloads"][0]["card"] = card
    return raw


def test_a_crafted_entry_with_its_own_key_reads() -> None:
    assert read_workloads(crafted(max_output_tokens=5), "base.json").workloads[0].name == "a"


@pytest.mark.parametrize(
    "facts",
    [
        {"tiers": []},
        {"tiers": [["32000", 1, 1, 1]]},
        {"tiers": [[32_000, None, 1, 1]]},
        {"tiers": [[32_000, -1, 1, 1]]},
        {"tiers": [[32_000, 1, 1]]},
        {"settlement": [0, "ceil", 0]},
        {"settlement": [1, "up", 0]},
        {"effective_from": "yesterday"},
        {"effective_from": None},
        {"max_input_tokens": "many"},
        {"provider": ["x"]},
        {"secret": 1},
    ],
)
def test_a_crafted_entry_prices_nothing(facts: dict[str, Any]) -> None:
    with pytest.raises(LedgerError, match="isn't the price entry of that key"):
        read_workloads(crafted(**facts), "base.json")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "base.json: isn't an estimate of workloads"),
        (written(workload("a", 1), schema=2), "base.json: is of schema 2, this version reads schema 1"),
        (written(workload("a", 1), schema=True), "base.json: is of schema True, this version reads schema 1"),
        (without("schema"), "base.json: names no schema"),
        ({"schema": 1, "prompts": [], "total": {}}, "base.json: is an estimate of prompts, made without --config"),
        ({"schema": 1, "workloads": [], "passed": True}, "base.json: is a comparison, made by tollbook diff"),
        (without("rates"), "base.json: rates: is missing; add it"),
        (with_workload("prompts", []), "base.json: workloads[0].prompts: is empty"),
        (with_workload("requests_per_month", "5"), "base.json: workloads[0].requests_per_month: expected int, got str"),
        (with_workload("requests_per_month", -5), "base.json: workloads[0]: requests_per_month -5 is negative"),
        (with_workload("usd_per_month", "1e3"), "base.json: workloads[0].usd_per_month: '1e3' isn't a plain decimal"),
        (with_workload("usd_per_month", "-1"), "base.json: workloads[0].usd_per_month: '-1' is negative"),
        (with_workload("usd_per_month", "9" * 40), "is more than anything costs"),
        (with_workload("usd_per_month", None), "base.json: workloads[0]: has only one of amount_per_month and"),
        (with_workload("per_usd", None), "base.json: workloads[0].per_usd: None isn't a conversion"),
        (with_workload("per_usd", "0"), "base.json: workloads[0].per_usd: '0' isn't a conversion"),
        (with_workload("currency", "XYZ"), "base.json: workloads[0].currency: 'XYZ' is neither CRD nor"),
        (with_workload("card", "x"), "base.json: workloads[0]: rates has no 'x'"),
        (with_changed_rates(), "isn't the price entry of that key"),
        (written(workload("a", 1), workload("a", 1)), "base.json: workloads[1].name: 'a' is an earlier workload's"),
    ],
)
def test_what_is_no_estimate_is_refused_by_name(raw: object, message: str) -> None:
    with pytest.raises(LedgerError) as refused:
        read_workloads(raw, "base.json")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


# --- estimates that were edited -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("total", "usd", "1000000"), "total.usd: isn't the sum of the workloads"),
        (("workloads", 0, "usd_per_month", "0.01"), "workloads[0].usd_per_month: isn't what its counts cost"),
        (("workloads", 0, "amount_per_month", "1"), "workloads[0].amount_per_month: isn't what its counts cost"),
        (("workloads", 0, "prompts", 0, "input_tokens", 1), "usd_per_month: isn't what its counts cost"),
        (("workloads", 0, "extra_input_tokens", 1_001), "prompts[0]: has fewer input tokens than it adds"),
    ],
)
def test_an_estimate_whose_figures_disagree_is_refused(edit: tuple[Any, ...], words: str) -> None:
    raw = written(workload("a", 1_000))
    *path, key, value = edit
    inner: Any = raw
    for step in path:
        inner = inner[step]
    inner[key] = value
    with pytest.raises(LedgerError) as refused:
        read_workloads(raw, "base.json")
    assert words in str(refused.value)


def test_a_warning_that_is_new_is_told_though_nothing_else_changed() -> None:
    before, after = workload("a", 1_000), workload("a", 1_000)
    before.prompts[0].warnings, after.prompts[0].warnings = ["old"], ["old", "its body names another model"]
    found = compare(side(before), side(after))
    assert (found.workloads[0].status, list(found.news)) == ("unchanged", ["a: a.txt: its body names another model"])
    assert [warning.text for warning in found.warnings] == found.news
    assert compare(side(after), side(after)).news == []


def test_outputs_of_the_same_prompts_are_compared_by_name() -> None:
    before, after = workload("a", 1, 2, 3), workload("a", 1, 2, 3)
    for number, (old, new) in enumerate([(100, 100), (100, 400), (400, 400)]):
        before.prompts[number].output_tokens, after.prompts[number].output_tokens = old, new
    assert compare(side(before), side(after)).workloads[0].changes == ["output_tokens"]


def test_repeated_names_and_missing_digests_are_compared() -> None:
    one = workload("a", 1, 1)
    for prompt, digest in zip(one.prompts, (None, "ab"), strict=True):
        prompt.name, prompt.uncounted, prompt.uncounted_digest = "same", ["1 file"], digest
    assert compare(side(one), side(one)).workloads[0].status == "unchanged"

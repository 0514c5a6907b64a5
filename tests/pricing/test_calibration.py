"""Corrections of token counts: what a fit finds, what doesn't move it, the range, and the document."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.errors import PricingError, TooFewPairs, UnusableCalibration
from pricing.estimating import fit as calibrating
from pricing.estimating import robust_fit as fitting
from pricing.estimating.calibration import (
    Calibration,
    Errors,
    ModelCalibration,
    TokenRange,
)
from pricing.estimating.counting import (
    PromptCount,
    PromptText,
    count_inputs,
    count_prompts,
    is_tokenizer_known,
    uncalibrated,
)
from pricing.estimating.fit import LEAST_PAIRS, CountedPair, fit_model
from pricing.estimating.robust_fit import Coefficient, robust_fit
from pricing.estimating.tokens import ScriptTokens, count_scripts, count_tokens

CODE = "doubao-seed-2.0-code"
NO_ERRORS = Errors(0, 0, 0)


def correction(**changes: Any) -> ModelCalibration:
    """Factors of 1.25 for all but Chinese, which has 0.8, an overhead of 7 a request, and a range of 0.9 to 1.1."""
    figures: dict[str, Any] = {
        "pairs": 40,
        "outliers": 1,
        "by_script": True,
        "factors": ScriptTokens(12_500, 8_000, 12_500, 12_500),
        "message_factor": 15_000,
        "overhead": 70_000,
        "low": 9_000,
        "high": 11_000,
        "before": Errors(123, 200, -120),
        "after": Errors(9, 31, 2),
    }
    return ModelCalibration(**{**figures, **changes})


CALIBRATION = Calibration("o200k_base", {CODE: correction()})


# --- ranges ---------------------------------------------------------------------------------------------------------


def test_without_a_calibration_the_range_is_a_fifth_either_way() -> None:
    assert uncalibrated(100) == TokenRange(80, 100, 120)
    assert uncalibrated(101) == TokenRange(80, 101, 122)  # 80.8, 121.2
    assert uncalibrated(0) == TokenRange(0, 0, 0)


def test_a_correction_weighs_scripts_messages_and_the_request() -> None:
    # 100 x 1.25 + 50 x 0.8 + 4 x 1.25 + 8 x 1.25 + 9 x 1.5 + 7 = 200.5, to 180.45 and 220.55
    tokens = ScriptTokens(words=100, cjk=50, digits=4, symbols=8)
    assert correction().range_of(tokens, 9) == TokenRange(180, 200, 221)
    # without the 7 of a request: 193.5, to 174.15 and 212.85
    assert correction().range_of(tokens, 9, whole_request=False) == TokenRange(174, 194, 213)


def test_the_docstrings_range_holds() -> None:
    # 100 x 1.25 + 7 = 132, to 118.8 and 145.2
    assert correction().range_of(ScriptTokens(100, 0, 0, 0)) == TokenRange(118, 132, 146)


@given(tokens=st.lists(st.integers(0, 10**9), min_size=4, max_size=4), overhead=st.integers(0, 10**6))
def test_the_expected_count_is_within_the_range(tokens: list[int], overhead: int) -> None:
    found = correction(low=9_800, high=10_200).range_of(ScriptTokens(*tokens), overhead)
    assert 0 <= found.low <= found.expected <= found.high


def test_prompts_are_counted_with_their_messages() -> None:
    hello, world = count_tokens("hello there"), count_tokens("一个世界")
    prompts = [PromptText(("hello there", "一个世界", "hello there"), 9), PromptText(()), PromptText(("一个世界",))]
    assert count_inputs(prompts, CODE, encoding="o200k_base", calibration=None) == [
        PromptCount(uncalibrated(2 * hello + world + 9), 0, 2 * hello + world + 9),
        PromptCount(uncalibrated(0)),
        PromptCount(uncalibrated(world), 0, world),
    ]


def test_prompts_are_corrected_where_the_calibration_has_the_model() -> None:
    prompts = [PromptText(("hello there", "一个世界"), 9), PromptText(("hello",), whole_request=False)]
    counted = count_prompts(prompts, "o200k_base")[0]
    first, no_schemas = counted.scripts, counted.schemas
    assert first == ScriptTokens(count_tokens("hello there"), count_tokens("一个世界"), 0, 0)
    assert no_schemas == 0
    assert count_inputs(prompts, CODE, encoding="o200k_base", calibration=CALIBRATION) == [
        PromptCount(correction().range_of(first, 9), 0, first.total + 9),
        PromptCount(correction().range_of(count_scripts(["hello"])[0], whole_request=False), 0, 1),
    ]
    assert count_inputs(prompts, "another", encoding="o200k_base", calibration=CALIBRATION) == count_inputs(
        prompts, "another", encoding="o200k_base", calibration=None
    )


def test_schemas_have_their_own_range_until_they_are_calibrated() -> None:
    schema = '{"name": "find", "parameters": {"type": "object"}}'
    tokens, prompt = count_tokens(schema), PromptText(("hello",), schemas=(schema, schema))
    (counted,) = count_inputs([prompt], CODE, encoding="o200k_base", calibration=None)
    text, schemas = uncalibrated(1), uncalibrated(2 * tokens, 50)
    assert counted.tokens == TokenRange(text.low + schemas.low, 1 + 2 * tokens, text.high + schemas.high)
    assert (counted.schema_tokens, counted.uncorrected_tokens) == (2 * tokens, 1 + 2 * tokens)
    # A calibration without a factor for them corrects the text alone.
    (counted,) = count_inputs([prompt], CODE, encoding="o200k_base", calibration=CALIBRATION)
    text = correction().range_of(count_scripts(["hello"])[0])
    assert counted.tokens == TokenRange(*map(sum, zip(text, schemas, strict=True)))
    assert (counted.schema_tokens, counted.uncorrected_tokens) == (2 * tokens, 1 + 2 * tokens)
    known = Calibration("o200k_base", {CODE: correction(schema_factor=5_000)})
    (counted,) = count_inputs([prompt], CODE, encoding="o200k_base", calibration=known)
    assert counted.schema_tokens == tokens
    assert counted.tokens == correction(schema_factor=5_000).range_of(
        count_scripts(["hello"])[0], schema_tokens=2 * tokens
    )


@pytest.mark.parametrize(
    ("model", "encoding", "known"),
    [
        (CODE, "o200k_base", True),
        (CODE.upper(), "cl100k_base", True),
        ("gpt-4o", "o200k_base", True),
        ("gpt-4o", "cl100k_base", False),
        ("glm-5", "o200k_base", False),
    ],
)
def test_only_known_tokenizers_have_the_narrower_range(model: str, encoding: str, known: bool) -> None:
    assert is_tokenizer_known(model, encoding) == known
    (counted,) = count_inputs([PromptText(("a",) * 100)], model, encoding=encoding, calibration=None)
    assert counted.tokens == (TokenRange(80, 100, 120) if known else TokenRange(70, 100, 130))


def test_a_calibration_of_another_encoding_is_refused() -> None:
    with pytest.raises(
        UnusableCalibration, match="corrects counts by o200k_base, not by cl100k_base: count with o200k"
    ):
        count_inputs([], CODE, encoding="cl100k_base", calibration=CALIBRATION)


# --- the document ---------------------------------------------------------------------------------------------------


def test_a_calibration_reads_back_as_it_was_written() -> None:
    document = json.loads(json.dumps(CALIBRATION.to_document()))
    assert document == {
        "schema": 1,
        "encoding": "o200k_base",
        "models": {
            CODE: {
                "pairs": 40,
                "outliers": 1,
                "by_script": True,
                "factors": {"words": "1.25", "cjk": "0.8", "digits": "1.25", "symbols": "1.25"},
                "message_factor": "1.5",
                "overhead_tokens": "7",
                "range": {"low": "0.9", "high": "1.1"},
                "error_before": {"median_percent": "12.3", "p90_percent": "20", "bias_percent": "-12"},
                "error_after": {"median_percent": "0.9", "p90_percent": "3.1", "bias_percent": "0.2"},
            }
        },
    }
    assert Calibration.from_document(document, "c.json") == CALIBRATION


def test_an_estimate_says_which_correction_it_used() -> None:
    assert CALIBRATION.summary(CODE) == {"model": CODE, **CALIBRATION.to_document()["models"][CODE]}
    assert CALIBRATION.summary("another") is None


def changed(*path: str, to: object) -> Callable[[dict[str, Any]], object]:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return change


MODEL = ("models", CODE)
REFUSALS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (changed("schema", to=2), "schema 2 isn't 1, which this release reads"),
    (changed("encoding", to="p50k_base"), "encoding 'p50k_base' isn't cl100k_base or o200k_base"),
    (changed("more", to=1), "more: isn't a key of this file"),
    (lambda document: document.pop("schema"), "schema: is missing"),
    (changed(*MODEL, "range", to=None), r"models\[...\].range: expected object, got null"),
    (changed(*MODEL, "factors", "cjk", to=1.2), r"models\[...\].factors.cjk: expected str, got float"),
    (changed(*MODEL, "factors", "cjk", to="1e3"), f"models.{CODE}.factors.cjk: '1e3' isn't a plain decimal"),
    (changed(*MODEL, "factors", "cjk", to="-1"), f"models.{CODE}.factors.cjk: -1 isn't from 0.2 to 5"),
    (changed(*MODEL, "factors", "cjk", to="0"), f"models.{CODE}.factors.cjk: 0 isn't from 0.2 to 5"),
    (changed(*MODEL, "range", "low", to="1.1"), f"models.{CODE}.range.low: 1.1 isn't from 0 to 1"),
    (changed(*MODEL, "range", "high", to="0.9"), f"models.{CODE}.range.high: 0.9 isn't from 1 to 1000000"),
    (changed(*MODEL, "error_after", "bias_percent", to="x"), f"models.{CODE}.error_after.bias_percent: 'x' isn't a"),
]


@pytest.mark.parametrize(("change", "fault"), REFUSALS, ids=[fault[:40] for _, fault in REFUSALS])
def test_a_document_that_is_none_is_refused_by_key(change: Callable[[dict[str, Any]], object], fault: str) -> None:
    document = CALIBRATION.to_document()
    change(document)
    told = rf"^c\.json: {fault}.*: write a new calibration with: tollbook calibrate PAIRS -o FILE$"
    with pytest.raises(UnusableCalibration, match=told):
        Calibration.from_document(document, "c.json")


@pytest.mark.parametrize("document", [None, [], "x", {}])
def test_what_is_no_document_is_refused(document: object) -> None:
    with pytest.raises(UnusableCalibration, match=r"^c\.json: (expected object|schema: is missing)"):
        Calibration.from_document(document, "c.json")


# --- fits -----------------------------------------------------------------------------------------------------------


def texts(count: int, seed: int = 1) -> list[ScriptTokens]:
    """Counts of requests of all lengths, most of them of one script."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        tokens = [rng.randrange(length) for length in (60, 40, 20, 30)]
        tokens[number % 4] += rng.randrange(20, 5_000)
        found.append(ScriptTokens(*tokens))
    return found


def by_one_factor(tokens: ScriptTokens) -> int:
    return round(1.18 * tokens.total + 12)


def by_script(tokens: ScriptTokens) -> int:
    return round(1.1 * tokens.words + 0.7 * tokens.cjk + 1.6 * tokens.digits + 1.2 * tokens.symbols + 12)


def pairs(count: int, real: Callable[[ScriptTokens], int], seed: int = 1) -> list[CountedPair]:
    return [CountedPair(tokens, 0, real(tokens)) for tokens in texts(count, seed)]


def share(units: int) -> float:
    return units / 10_000


def test_a_fit_finds_one_factor_and_the_overhead() -> None:
    found = fit_model(CODE, pairs(100, by_one_factor))
    assert not found.by_script
    assert [share(factor) for factor in found.factors] == [pytest.approx(1.18, abs=0.002)] * 4
    assert len(set(found.factors)) == 1
    assert share(found.overhead) == pytest.approx(12, abs=1)
    assert found.after.median <= 2
    assert found.before.median > 150
    assert found.before.bias == -found.before.median
    assert (found.pairs, found.outliers, found.low, found.high) == (100, 0, 9_800, 10_200)


def test_a_fit_finds_a_factor_for_each_script_where_that_helps() -> None:
    found = fit_model(CODE, pairs(100, by_script))
    assert found.by_script
    assert [share(factor) for factor in found.factors] == pytest.approx([1.1, 0.7, 1.6, 1.2], abs=0.01)
    assert share(found.overhead) == pytest.approx(12, abs=1.5)
    assert found.after.p90 < 20
    assert found.before.median > 100


@pytest.mark.parametrize("factor", [0.001, 0.05, 20, 1000])
@pytest.mark.parametrize("real", [by_one_factor, by_script])
def test_pairs_that_are_wildly_off_do_not_move_a_fit(real: Callable[[ScriptTokens], int], factor: float) -> None:
    sound = pairs(100, real)
    wild = [pair._replace(input_tokens=max(1, round(pair.input_tokens * factor))) for pair in sound[::10]]
    without, found = fit_model(CODE, sound), fit_model(CODE, [*sound, *wild])
    assert found.by_script == without.by_script
    assert [share(one) for one in found.factors] == pytest.approx([share(one) for one in without.factors], abs=0.01)
    assert share(found.overhead) == pytest.approx(share(without.overhead), abs=2)
    assert found.outliers == 10
    assert found.after.median <= without.after.median + 2
    assert share(found.low) == pytest.approx(share(without.low), abs=0.01)
    assert share(found.high) == pytest.approx(share(without.high), abs=0.01)


def test_the_overhead_of_messages_is_fitted_apart() -> None:
    rng = random.Random(3)
    wrapped = [
        CountedPair(tokens, 3 + 3 * messages, round(1.1 * tokens.total) + 5 + 6 * messages)
        for tokens in texts(200)
        for messages in [rng.randrange(1, 30)]
    ]
    found = fit_model(CODE, wrapped)
    # 5 + 6 a message are twice the 3 + 3 a message, and 1 less
    assert share(found.message_factor) == pytest.approx(2, abs=0.05)
    assert share(found.factors.words) == pytest.approx(1.1, abs=0.005)


def test_schemas_are_fitted_apart_where_enough_pairs_have_them() -> None:
    plain = [CountedPair(tokens, 6, round(1.1 * tokens.total) + 6) for tokens in texts(60)]
    with_schemas = [
        CountedPair(tokens, 6, round(1.1 * tokens.total + 0.6 * schema) + 6, schema)
        for schema, tokens in enumerate(texts(60), start=300)
    ]
    found = fit_model(CODE, [*plain, *with_schemas])
    assert found.schema_factor is not None
    assert share(found.schema_factor) == pytest.approx(0.6, abs=0.02)
    assert share(found.factors.words) == pytest.approx(1.1, abs=0.005)
    assert fit_model(CODE, [*plain, *with_schemas[:7]]) == fit_model(CODE, plain)
    document = Calibration("o200k_base", {CODE: found}).to_document()
    assert Calibration.from_document(document, "c.json").models[CODE] == found


def test_a_script_that_occurs_in_no_pair_has_the_one_factor() -> None:
    latin = [CountedPair(tokens._replace(cjk=0), 0, by_script(tokens._replace(cjk=0))) for tokens in texts(100)]
    found = fit_model(CODE, latin)
    assert found.by_script
    assert 1.1 < share(found.factors.cjk) < 1.6


def test_the_range_holds_nine_in_ten_of_new_pairs() -> None:
    rng = random.Random(5)

    def noisy(tokens: ScriptTokens) -> int:
        return round(by_one_factor(tokens) * rng.gauss(1, 0.05))

    found = fit_model(CODE, pairs(400, noisy))
    fresh = pairs(400, noisy, seed=2)
    ranges = [(pair.input_tokens, found.range_of(pair.tokens)) for pair in fresh]
    inside = sum(low <= real <= high for real, (low, _, high) in ranges)
    assert 0.86 * 400 < inside < 0.94 * 400


def test_few_pairs_have_the_range_of_all_of_them() -> None:
    off = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.3]
    few = [
        CountedPair(ScriptTokens(1_000 + 500 * number, 0, 0, 0), 0, round((1_000 + 500 * number) * factor))
        for number, factor in enumerate(off)
    ]
    found = fit_model(CODE, few)
    assert share(found.factors.words) == pytest.approx(1, abs=0.01)
    assert share(found.high) == pytest.approx(1.3, abs=0.02)


def test_pairs_without_any_rule_are_refused() -> None:
    rng = random.Random(7)
    noise = [CountedPair(tokens, 0, 10 ** rng.randrange(1, 12)) for tokens in texts(40)]
    with pytest.raises(TooFewPairs, match="of 40 pairs within half and twice of what fits them: check that texts and"):
        fit_model(CODE, noise)


def test_a_range_without_any_sound_pair_is_half_to_twice() -> None:
    assert calibrating._range(np.array([])) == (5_000, 20_000)


def test_the_same_pairs_make_the_same_figures() -> None:
    rng = random.Random(9)
    noisy = pairs(60, lambda tokens: round(by_script(tokens) * rng.gauss(1, 0.1)))
    assert fit_model(CODE, noisy) == fit_model(CODE, list(noisy))


@pytest.mark.parametrize(("different", "copies"), [(1, 100), (LEAST_PAIRS - 1, 1), (LEAST_PAIRS - 1, 5)])
def test_too_few_pairs_are_refused_by_model_and_number(different: int, copies: int) -> None:
    told = rf"^model '{CODE}' has {different} of the 8 pairs of different texts that it needs: add more$"
    with pytest.raises(TooFewPairs, match=told):
        fit_model(CODE, pairs(different, by_one_factor) * copies)


def test_as_many_pairs_as_are_needed_will_do() -> None:
    found = fit_model(CODE, pairs(LEAST_PAIRS, by_one_factor))
    assert share(found.factors.words) == pytest.approx(1.18, abs=0.02)


@given(
    st.lists(
        st.tuples(st.tuples(*[st.integers(0, 10**6)] * 4), st.integers(0, 10**4), st.integers(1, 2**63 - 1)),
        max_size=30,
    )
)
@settings(max_examples=30)
def test_any_pairs_have_figures_that_read_back_or_are_too_few(
    rows: list[tuple[tuple[int, int, int, int], int, int]],
) -> None:
    try:
        found = fit_model(CODE, [CountedPair(ScriptTokens(*tokens), overhead, real) for tokens, overhead, real in rows])
    except TooFewPairs as error:
        assert len({row[:2] for row in rows}) < LEAST_PAIRS or "within half and twice" in str(error)  # noqa: PT017
        return
    assert all(2_000 <= factor <= 50_000 for factor in found.factors)
    assert found.message_factor >= 0
    assert found.overhead >= 0
    calibration = Calibration("o200k_base", {CODE: found})
    assert Calibration.from_document(calibration.to_document(), "c.json") == calibration


def test_errors_are_pricing_errors() -> None:
    assert issubclass(TooFewPairs, PricingError)
    assert issubclass(UnusableCalibration, PricingError)
    assert (TooFewPairs.reason, UnusableCalibration.reason) == ("too_few_pairs", "unusable_calibration")


# --- the robust fit -------------------------------------------------------------------------------------------------

ANY = Coefficient(0.0, 10.0, -100.0, 100.0)


def test_a_line_is_found_among_wild_rows() -> None:
    x = np.linspace(0, 1, 50)
    rows = np.column_stack([x, np.ones(50)])
    targets = 0.5 * x + 2
    targets[::6] = 1e6
    assert robust_fit(rows, targets, [ANY, ANY]) == pytest.approx([0.5, 2], abs=1e-3)


def test_coefficients_stay_within_their_bounds() -> None:
    x = np.linspace(0, 1, 50)
    rows = np.column_stack([x, np.ones(50)])
    lowest, highest = Coefficient(1, 1, 1, 3), Coefficient(1, 1, 0, 1.5)
    # the other is the best beside the bound: 2 - x comes closest to x + c by c = 1
    assert robust_fit(rows, 2 - x, [lowest, ANY]) == pytest.approx([1, 1], abs=1e-3)
    assert robust_fit(rows, 2 + 0 * x, [ANY, highest])[1] == 1.5
    assert robust_fit(rows, 9 - 9 * x, [lowest, highest]) == pytest.approx([1, 1.5])


def test_without_rows_that_tell_a_coefficient_is_the_likely_one() -> None:
    rows = np.column_stack([np.ones(20), np.zeros(20)])
    known = [ANY, Coefficient(0.7, 1, 0, 5)]
    assert robust_fit(rows, np.full(20, 3.0), known) == pytest.approx([3, 0.7], abs=1e-3)


def test_a_fit_that_does_not_settle_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "_ROUNDS", 1)
    rows = np.ones((9, 1))
    assert 0 <= robust_fit(rows, np.arange(9.0), [ANY])[0] <= 8

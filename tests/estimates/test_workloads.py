"""What a month of workloads costs, how much of it is cached, what is refused, and that all is counted in one go.

Prices are credits for 1M tokens, 72 for 1 USD.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

import ledger.estimates.workloads.month as module
from ledger.config import read_config
from ledger.errors import LedgerError
from pricing import load_rate_cards
from pricing.estimating.calibration import TokenRange
from pricing.estimating.counting import PromptCount, PromptText
from pricing.estimating.tokens import count_all
from pricing.rate_card import RateCard
from pricing.rate_entry import RateEntry
from tests.helpers.workloads import AT, LITE, MILLION, MINI, OPEN, PRO, Project, chat, in_usd, inputs, tea


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


# --- what a month costs ---------------------------------------------------------------------------------------------


def test_a_request_costs_the_mean_of_its_alternatives(project: Project) -> None:
    project.write({"a.md": tea(10), "b.md": tea(20), "c.md": tea(40)})
    document = project.estimate(
        f"""
        [[workload]]
        name = "answers"
        model = "{LITE}"
        project = "support"
        prompts = ["*.md"]
        extra_input_tokens = 32_000
        cached_input_tokens = 5
        output_tokens = 100
        requests_per_month = 1_000
        """
    )
    [entry] = document.workloads
    assert inputs(entry) == {"a.md": 32_010, "b.md": 32_020, "c.md": 32_040}
    # All beyond 32,000: input 9, cached 1.2, output 54.
    credits = [Fraction((count - 5) * 90 + 5 * 12 + 100 * 540, 10 * MILLION) for count in (32_010, 32_020, 32_040)]
    assert [Fraction(prompt.amount or 0) for prompt in entry.prompts] == credits
    assert [prompt.usd for prompt in entry.prompts] == [in_usd(each) for each in credits]
    assert (entry.name, entry.model, entry.project, entry.status) == ("answers", LITE, "support", "ok")
    assert (entry.currency, entry.per_usd, entry.output_basis) == ("CRD", "72", "given")
    assert (entry.requests_per_month, entry.extra_input_tokens) == (1_000, 32_000)
    assert entry.usd_per_request == in_usd(sum(credits, Fraction()) / 3)
    # 32_000 are certain; of 10, 20 and 40 counted tokens 8 to 12, 16 to 24 and 32 to 48 are.
    low, high = (
        Fraction(sum((32_000 + count - 5) * 90 + 5 * 12 + 100 * 540 for count in counts), 10 * MILLION)
        for counts in ((8, 16, 32), (12, 24, 48))
    )
    assert entry.usd_per_month == in_usd(sum(credits, Fraction()) / 3 * 1_000)
    assert (entry.usd_per_month_low, entry.usd_per_month_high) == (in_usd(low / 3 * 1_000), in_usd(high / 3 * 1_000))
    assert [prompt.tier for prompt in entry.prompts] == [128_000] * 3
    assert document.total.usd == entry.usd_per_month
    assert document.total.amount == entry.amount_per_month
    assert (document.total.usd_low, document.total.usd_high) == (entry.usd_per_month_low, entry.usd_per_month_high)


def test_each_printed_figure_is_rounded_once(project: Project) -> None:
    """A month of 10 requests, each the mean of 1, 1 and 2 tokens at 2 credits for 1M."""
    project.write({"a.md": tea(1), "b.md": tea(1), "c.md": tea(2)})
    workload = f'[[workload]]\nname = "{{}}"\nmodel = "{MINI}"\nprompts = ["*.md"]\noutput_tokens = 0\n'
    document = project.estimate(
        "".join(workload.format(name) + "requests_per_month = 10\n" for name in ("a", "b", "c"))
    )
    month = Fraction(10 * 4 * 2, 3 * MILLION)
    for entry in document.workloads:
        # 26.666… µCRD, 0.370370370… µUSD
        assert entry.amount_per_month == "0.000026667"
        assert entry.usd_per_month == in_usd(month) == "0.00000037"
        assert entry.usd_per_request == "0.000000037"
    # Three times 26.666… is 80, not three times 26.667.
    assert document.total.amount == "0.00008"
    assert document.total.usd == in_usd(3 * month) == "0.000001111"


@pytest.mark.parametrize(("card", "currency", "per_usd"), [("evolink", "CRD", "72"), ("volcengine", "CNY", "7.2")])
def test_workloads_are_priced_by_the_card_asked_for(project: Project, card: str, currency: str, per_usd: str) -> None:
    project.write({"a.md": tea(1_000)})
    text = f'[[workload]]\nname = "w"\nmodel = "{LITE}"\nprompts = ["a.md"]\nrequests_per_month = 30\n'
    document = project.estimate(text, card=load_rate_cards()[card])
    [entry] = document.workloads
    rate = Decimal(6) if card == "evolink" else Decimal("0.6")
    amount = 30 * 1_000 * rate / MILLION
    assert (entry.currency, entry.per_usd) == (currency, per_usd)
    assert Decimal(entry.amount_per_month or 0) == amount
    assert Decimal(entry.usd_per_month or 0) == (amount / Decimal(per_usd)).quantize(Decimal("1e-9"), ROUND_HALF_EVEN)


def test_a_card_in_usd_needs_no_conversion(project: Project, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(
        'provider = "own"\ncurrency = "USD"\nper_tokens = 1\n[[model]]\nid = "m"\n[[model.price]]\n'
        'effective_from = 2026-01-01\ntiers = [{ input = "0.1", output = "1" }]\n'
    )
    project.write({"a.md": tea(3)})
    document = project.estimate(
        '[[workload]]\nname = "w"\nmodel = "m"\nprompts = ["a.md"]\nrequests_per_month = 10\noutput_tokens = 2\n',
        card=load_rate_cards(tmp_path / "card.toml")["own"],
    )
    [entry] = document.workloads
    assert (entry.currency, entry.per_usd, entry.usd_per_request, entry.usd_per_month) == ("USD", None, "2.3", "23")
    assert [prompt.tier for prompt in entry.prompts] == [None]
    assert (document.total.currency, document.total.amount, document.total.usd) == ("USD", "23", "23")


def test_an_alias_is_priced_and_shown_as_its_model(project: Project) -> None:
    project.write({"a.md": tea(1)})
    text = '[[workload]]\nname = "w"\nmodel = "doubao-seed-2-0-lite-260215"\nprompts = ["a.md"]\noutput_tokens = 0\n'
    assert project.one(text).model == LITE


def test_the_rates_that_were_used_travel_with_the_document(project: Project) -> None:
    project.write({"a.md": tea(1)})
    workload = '[[workload]]\nname = "{}"\nmodel = "{}"\nprompts = ["a.md"]\n'
    models = {"a": PRO, "b": LITE, "c": PRO}
    document = project.estimate("".join(workload.format(*pair) for pair in models.items()))
    assert [entry.name for entry in document.workloads] == ["a", "b", "c"]
    assert list(document.rates) == sorted({entry.card for entry in document.workloads})
    for entry in document.workloads:
        assert RateEntry.from_content(json.dumps(document.rates[entry.card])).key == entry.card


# --- cached input ---------------------------------------------------------------------------------------------------


def test_a_cached_prefix_counts_where_the_request_begins_with_it(project: Project) -> None:
    project.write({"p.md": tea(100), "a.md": tea(130), "b.md": "x" + tea(130)})
    entry = project.one('prompts = ["a.md", "b.md"]\ncached_prefix = "p.md"\nextra_input_tokens = 70')
    assert [prompt.cached_input_tokens for prompt in entry.prompts] == [100, 0]
    assert [prompt.warnings for prompt in entry.prompts] == [
        [],
        ["does not begin with the text of the cached prefix: nothing of it is priced as cached"],
    ]
    # Input 6, cached 1.2; the low end has 80 of 104 + 70 cached, the high end 120 of 156 + 70.
    assert entry.prompts[0].usd == in_usd(Fraction(100 * 60 + 100 * 12, 10 * MILLION))
    assert entry.prompts[0].usd_low == in_usd(Fraction(94 * 60 + 80 * 12, 10 * MILLION))
    assert entry.prompts[0].usd_high == in_usd(Fraction(106 * 60 + 120 * 12, 10 * MILLION))


def test_a_prefix_may_span_parts(project: Project) -> None:
    project.write({"s.md": tea(10), "r.md": tea(5), "both.md": tea(15), "a.md": tea(1)})
    entry = project.one('parts = ["s.md", "r.md"]\nprompts = ["a.md"]\ncached_prefix = "both.md"')
    assert (entry.prompts[0].input_tokens, entry.prompts[0].cached_input_tokens) == (16, 15)


def test_more_cached_than_there_is_is_refused(project: Project) -> None:
    project.write({"a.md": tea(10), "b.md": tea(9)})
    text = 'prompts = ["*.md"]\ncached_input_tokens = 10'
    assert project.refusal(text).startswith("workload 'w': b.md: 10 cached input tokens are more than its 9 input")
    assert project.one(text + "\nextra_input_tokens = 1").prompts[1].cached_input_tokens == 10


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({LITE: "doubao-9"}, "workload 'w': model 'doubao-9' is not on card 'evolink', which has doubao-seed-2.0-code"),
        ({"output_tokens = 0": "output_tokens = 128_001"}, "workload 'w': output_tokens 128001 are over"),
    ],
)
def test_what_the_card_cannot_price_names_file_and_workload(
    project: Project, change: dict[str, str], words: str
) -> None:
    project.write({"a.md": tea(1)})
    text = f'[[workload]]\nname = "w"\nmodel = "{LITE}"\nprompts = ["a.md"]\noutput_tokens = 0\n'
    for old, new in change.items():
        text = text.replace(old, new)
    assert project.refusal(text).startswith(words)


def test_a_day_without_prices_is_refused(project: Project) -> None:
    project.write({"a.md": tea(1)})
    said = project.refusal('prompts = ["a.md"]', at=datetime(2026, 1, 1, tzinfo=UTC))
    assert said.startswith(f"workload 'w': model '{LITE}' has no price at 2026-01-01")


def test_a_configuration_without_workloads_is_refused(project: Project) -> None:
    path = project.folder / "tollbook.toml"
    path.write_text("")
    card: RateCard = load_rate_cards()["evolink"]
    with pytest.raises(LedgerError, match=r"^mine\.toml: has no \[\[workload\]\]: add one"):
        module.estimate_workloads(
            read_config(path),
            folder=project.folder,
            card=card,
            at=AT,
            encoding="o200k_base",
            calibration=None,
            profile=None,
            means=None,
            file="mine.toml",
        )


# --- in one go ------------------------------------------------------------------------------------------------------


def test_all_texts_are_counted_together_and_what_is_shared_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"system.md": "{{x}}" + tea(50), "a.md": tea(1), "b.md": tea(2), "c.md": tea(3)})
    calls: list[list[str]] = []

    def counting(texts: Sequence[str], encoding: str) -> list[int]:
        calls.append(list(texts))
        return count_all(texts, encoding)

    monkeypatch.setattr("pricing.estimating.counting.count_all", counting)
    workload = '[[workload]]\nname = "{}"\nmodel = "{}"\nparts = ["system.md"]\nvariables = {{ x = "{}" }}\n'
    document = project.estimate(
        workload.format("a", PRO, "y")
        + 'prompts = ["a.md", "b.md"]\ncached_prefix = "system.md"\n'
        + workload.format("b", LITE, "z")
        + 'prompts = ["?.md"]\n'
    )
    assert calls == [["y" + tea(50), tea(1), tea(2), "z" + tea(50), tea(3)]]
    assert [inputs(entry) for entry in document.workloads] == [
        {"a.md": 52, "b.md": 53},
        {"a.md": 52, "b.md": 53, "c.md": 54},
    ]
    assert [prompt.cached_input_tokens for prompt in document.workloads[0].prompts] == [51, 51]


def test_a_text_that_many_workloads_have_is_held_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[str] = []

    def ranges(prompts: Sequence[PromptText], *_args: object, **_options: object) -> list[PromptCount]:
        held.extend(text for prompt in prompts for text in prompt.texts if text.startswith("system"))
        return [PromptCount(TokenRange(1, 1, 1)) for _ in prompts]

    monkeypatch.setattr(module, "count_inputs", ranges)
    project.write({"system.md": f"system{tea(1_000)}", "a.md": "a", "b.md": "b"})
    workload = '[[workload]]\nname = "{0}"\nmodel = "{1}"\nparts = ["system.md"]\nprompts = ["{0}.md"]\n'
    project.estimate(
        workload.format("a", PRO) + 'cached_prefix = "system.md"\n' + workload.format("b", PRO),
    )
    assert len(held) == 3
    assert len({id(text) for text in held}) == 1


def test_each_model_is_counted_by_its_own_calibration(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    class Halving:
        encoding = "o200k_base"
        models = (PRO, LITE)

        def summary(self, model: str) -> dict[str, str] | None:
            return None if model == MINI else {"of": model}

    def ranges(prompts: Sequence[PromptText], model: str, *, encoding: str, calibration: object) -> list[PromptCount]:
        assert (encoding, calibration) == ("o200k_base", halving)
        factor = {PRO: 2, LITE: 3, MINI: 5}[model]
        counts = [factor * sum(text.count("tea") for text in prompt.texts) for prompt in prompts]
        return [PromptCount(TokenRange(n - 1, n, n + 1)) for n in counts]

    halving = Halving()
    monkeypatch.setattr(module, "count_inputs", ranges)
    project.write({"a.md": tea(10), "b.md": tea(100)})
    workload = '[[workload]]\nname = "{}"\nmodel = "{}"\nprompts = ["{}"]\n'
    alias = "doubao-seed-2-0-lite-260215"
    named = [("a", PRO, "a.md"), ("b", LITE, "b.md"), ("c", PRO, "b.md"), ("d", MINI, "a.md"), ("e", alias, "*.md")]
    document = project.estimate("".join(workload.format(*each) for each in named), calibration=halving)
    assert [list(inputs(entry).values()) for entry in document.workloads] == [[20], [300], [200], [50], [30, 300]]
    assert document.calibration == {LITE: {"of": LITE}, PRO: {"of": PRO}}
    said = f"the calibration knows no {MINI}: counts are tiktoken's own, ±20 %"
    assert [said in entry.warnings for entry in document.workloads] == [False, False, False, True, False]
    only_mini = project.estimate(workload.format(*named[3]), calibration=halving)
    assert only_mini.calibration is None


def test_the_same_files_give_the_same_bytes(project: Project, tmp_path: Path) -> None:
    names = [f"p/{letter}{number}.md" for letter in "zay" for number in (2, 10, 1)]
    text = OPEN.replace("*.md", "p/*.md") + 'variables = { b = "x", a = "y" }\n'
    project.write({name: f"{{{{{name[2]}}}}}{tea(number)}" for number, name in enumerate(names)})
    first = project.estimate(text)
    for name in names:
        (project.folder / name).rename(project.folder / f"{name}.old")
    for number, name in reversed(list(enumerate(names))):
        project.write({name: f"{{{{{name[2]}}}}}{tea(number)}"})
    assert msgspec.json.encode(project.estimate(text)) == msgspec.json.encode(first)
    assert list(inputs(first.workloads[0])) == sorted(names)


def test_nothing_of_a_prompt_is_in_the_document(project: Project) -> None:
    project.write({"a.md": "SECRET {{open}}", "b.json": json.dumps(chat("SECRET")), "p.md": "SECRET"})
    document = project.estimate(
        'parts = ["p.md"]\nprompts = ["a.md", "b.json"]\ncached_prefix = "p.md"\nvariables = { used = "SECRET" }'
    )
    assert b"SECRET" not in msgspec.json.encode(document)

"""Many prompts in short: their sum, mean and 90th percentile, the dearest, and those that cross a tier."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from ledger.cli.estimating.prompts import PromptsEstimate
from ledger.cli.show.sheet import Cell, Column, Sheet
from ledger.values.words import counted
from pricing.money import divide_half_even, format_usd, round_usd, usd_fraction

# So many prompts are shown one by one; of more the dearest, and those whose range crosses a tier.
MOST_SHOWN = 50
DEAREST = 10
_COLUMNS = (Column("of all prompts"), Column("input_tokens", "count"), Column("usd", "usd", exact=True))


class Figures(NamedTuple):
    """Input tokens and exact USD."""

    tokens: int
    usd: Fraction


class PromptSummary(NamedTuple):
    """One request of each prompt; `dearest` first and `crossing` are places in the result."""

    total: Figures
    mean: Figures
    p90: Figures
    dearest: list[int]
    crossing: list[int]

    @property
    def shown(self) -> list[int]:
        """The places that people are shown."""
        return list(dict.fromkeys([*self.dearest, *self.crossing[:MOST_SHOWN]]))


def summarise(result: PromptsEstimate) -> PromptSummary:
    """Adds up the prompts; a percentile is that of the nearest rank."""
    tokens = [prompt.entry.input_tokens for prompt, _ in result.prompts]
    # All are of one card: its own amounts compare as USD does.
    amounts = [prompt.priced.expected.amount_nano for prompt, _ in result.prompts]
    count, per_usd = len(tokens), result.models[0].settings.per_usd_nano
    place = -(-count * 9 // 10) - 1
    total = usd_fraction([(sum(amounts), per_usd)])
    return PromptSummary(
        Figures(sum(tokens), total),
        Figures(divide_half_even(sum(tokens), count), total / count),
        Figures(sorted(tokens)[place], usd_fraction([(sorted(amounts)[place], per_usd)])),
        sorted(range(count), key=lambda number: -amounts[number])[:DEAREST],
        [number for number, (prompt, _) in enumerate(result.prompts) if prompt.priced.crossed],
    )


def summary_sheet(result: PromptsEstimate, summary: PromptSummary) -> Sheet:
    """The sum, mean and 90th percentile as a table."""
    named = (("sum", summary.total), ("mean", summary.mean), ("p90", summary.p90))
    rows: list[list[Cell]] = [[name, of.tokens, round_usd(of.usd)] for name, of in named]
    return Sheet(f"{counted(len(result.prompts), 'prompt')} in short", _COLUMNS, rows)


def summary_document(result: PromptsEstimate, summary: PromptSummary) -> dict[str, Any]:
    """The summary as JSON, prompts by name."""

    def names(places: Iterable[int]) -> list[str]:
        return [result.prompts[place][0].entry.name for place in places]

    return {
        "mean_input_tokens": summary.mean.tokens,
        "p90_input_tokens": summary.p90.tokens,
        "mean_usd": format_usd(summary.mean.usd),
        "p90_usd": format_usd(summary.p90.usd),
        "dearest": names(summary.dearest),
        "crossing_a_tier": names(summary.crossing),
    }

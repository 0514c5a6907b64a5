"""Notes of doubtful conversions, in words and as JSON has it, with the command that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from fractions import Fraction
from typing import TYPE_CHECKING

from ledger.values.instants import moment_text
from ledger.values.words import grouped
from pricing.money import NANO, Conversion, divide_half_even, format_nano
from pricing.rate_entry import format_instant

if TYPE_CHECKING:
    from ledger.reports.conversion_notes import ConversionNote, Sold


def conversion_documents(notes: Sequence[ConversionNote]) -> list[dict[str, object]]:
    """Returns them as JSON has them: what was found and what it moves are null of an age."""
    return [
        {
            "kind": each.kind,
            "provider": each.provider,
            "currency": each.conversion.currency,
            "per_usd": format_nano(each.conversion.per_usd_nano),
            "effective_from": moment_text(each.conversion.effective_from, "seconds"),
            "checked_on": each.checked_on and each.checked_on.isoformat(),
            "found_on": each.sold and each.sold.day,
            "found_per_usd": each.sold and format_nano(each.sold.per_usd_nano),
            "difference_percent": each.sold and _percent(each.sold.difference(each.conversion)),
            "moves_usd": each.sold and format_nano(each.moves_nano),
            "command": mending_command(each),
        }
        for each in notes
    ]


def conversion_words(note: ConversionNote) -> str:
    """Returns a sentence: which conversion, by how much another figure differs and what it moves, what mends it."""
    conversion, sold = note.conversion, note.sold
    in_force = f"{format_nano(conversion.per_usd_nano)} {conversion.currency} = 1 USD"
    if sold is None:
        when = "never checked" if note.checked_on is None else f"last checked on {note.checked_on}"
        start = f"the conversion of {note.provider} was {when} ({in_force})"
        return f"{start}: look it up, then '{mending_command(note)}', also where it is the same"
    difference, figure = sold.difference(conversion), format_nano(sold.per_usd_nano)
    percent = f"{_percent(abs(difference))} % {'more' if difference > 0 else 'less'}"
    found = f"credits were bought at {figure} on" if note.kind == "purchases" else f"the statement is at {figure} from"
    moves = f"{grouped(format_nano(abs(note.moves_nano)))} USD {'less' if note.moves_nano < 0 else 'more'}"
    return (
        f"the conversion of {note.provider} is {in_force}, but {found} {sold.day}, {percent}: usage from then on "
        f"costs {moves} by that; '{mending_command(note)}' mends it, and 'tollbook reprice' what is booked"
    )


def _percent(part: Fraction) -> str:
    """Returns a part in percent, half-even to a tenth."""
    return format_nano(divide_half_even(part.numerator * 1_000, part.denominator) * (NANO // 10))


def mending_command(note: ConversionNote) -> str:
    """Returns the command that adds the right conversion; of one that is to be looked up with N and DATE."""
    add = f"tollbook rates conversion add --provider {note.provider}"
    if note.sold is None:
        return f"{add} --per-usd N --from DATE"
    per_usd = format_nano(note.sold.per_usd_nano)
    return f"{add} --per-usd {per_usd} --from {_start(note.conversion, note.sold)}"


def _start(conversion: Conversion, sold: Sold) -> str:
    """Returns the day of the figure, UTC; the conversion's own start, which is to be replaced, where it isn't later."""
    day = datetime.combine(date.fromisoformat(sold.day), time(), UTC)
    if day > conversion.effective_from:
        return sold.day
    return f"{format_instant(conversion.effective_from)} --replace --reason R"

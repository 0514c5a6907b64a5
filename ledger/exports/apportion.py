"""A total shared out in whole units by largest remainder: the parts add up to it, each within one unit of its share."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction


def apportion(total: int, shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Whole units by name that add up to `total`, which is the sum of the exact shares rounded to a unit.

    Every share is rounded down, also a negative one, and the units that are left go one each to the greatest
    remainders; of equal remainders to the name that comes first by its characters' code points. So of 100 units, three
    shares of 100/3 become 34, 33 and 33; a total of -1 over shares of -2/3 and -1/3 becomes -1 and 0.
    """
    parts = {name: share.numerator // share.denominator for name, share in shares.items()}
    left = total - sum(parts.values())
    remainders = sorted((parts[name] - share, name) for name, share in shares.items() if share != parts[name])
    if not 0 <= left <= len(remainders):
        raise ValueError(f"{total} is not the sum of the shares rounded to a unit")
    for _remainder, name in remainders[:left]:
        parts[name] += 1
    return parts

"""The halves of numbers: of 64 bits, which are summed apart where a sum may pass 64 bits, and of digests.

The upper halves of summed numbers have the signs; each of either is 32 bits long, so that billions of them fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

HALF_BITS = 32
LOWER_HALF = 2**HALF_BITS - 1


def digest_halves(values: Sequence[object]) -> tuple[int, int]:
    """Computes a digest of 128 bits over values, as JSON; returns it as two numbers of 64 bits."""
    data = hashlib.blake2b(msgspec.json.encode(values), digest_size=16).digest()
    return int.from_bytes(data[:8], signed=True), int.from_bytes(data[8:], signed=True)

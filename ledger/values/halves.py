"""The halves of numbers of 64 bits, which are summed apart where a sum may pass 64 bits.

The upper halves have the signs; each of either is 32 bits long, so that billions of them fit.
"""

from __future__ import annotations

HALF_BITS = 32
LOWER_HALF = 2**HALF_BITS - 1

"""Wrong use of the ledger: one line for people, exit code 2, nothing changed."""

from __future__ import annotations


class LedgerError(Exception):
    """Options, configuration or database are wrong; the message names the value, the rule and the next step."""

"""Budgets: what usage may cost, dated in the ledger, and what of it is used."""

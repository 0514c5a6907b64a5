"""Looks at the whole: the book checked, the chain of its batches, how the ledger is, and reconciliation."""

"""The figures of a month's page, read from one snapshot of a ledger; they know no words."""

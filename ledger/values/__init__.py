"""Money, time and text as the ledger writes them; nothing here knows a table."""

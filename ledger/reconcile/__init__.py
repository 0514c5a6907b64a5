"""The ledger held against what the provider says: its statement, its figure of each request, or its balance."""

"""What the ledger knows of past requests: profiles, means, the pace of budgets."""

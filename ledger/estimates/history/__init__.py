"""Knowledge of past requests: profiles, means, the pace of budgets."""

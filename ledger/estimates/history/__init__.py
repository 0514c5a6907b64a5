"""Knowledge of past requests: profiles and means."""

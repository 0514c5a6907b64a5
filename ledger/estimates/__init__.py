"""Costs of prompts, and of changes to them, beforehand: workloads, gates, comparison with a baseline."""

"""Costs of prompts, and of changes to them, before requests are sent."""

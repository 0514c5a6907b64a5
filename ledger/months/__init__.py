"""Months closed and reopened; what is in the books of a closed one never changes."""

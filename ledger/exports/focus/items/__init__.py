"""A month's spend as items, each of which becomes a FOCUS row."""

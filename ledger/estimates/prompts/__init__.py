"""Prompts and request bodies, read and counted."""

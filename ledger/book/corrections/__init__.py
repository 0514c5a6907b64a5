"""Corrections: charges reversed and replaced, in a batch with a reason."""

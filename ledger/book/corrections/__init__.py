"""Corrections: what stands is reversed and replaced, in a batch with a reason."""

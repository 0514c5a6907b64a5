"""Inputs and sheets of `estimate` and `diff`."""

"""The record that every format makes, and how its fields are read."""

"""A month's usage priced otherwise, with nothing posted: docs/whatif.md has what each change means."""

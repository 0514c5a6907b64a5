"""FOCUS 1.2 Cost and Usage rows of a month: what each column holds is in docs/focus.md."""

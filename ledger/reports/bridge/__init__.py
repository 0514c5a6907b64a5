"""Why spend moved from one month to another: docs/decisions/0023 has the method."""

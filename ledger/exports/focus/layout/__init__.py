"""FOCUS columns, and how an item fills them."""

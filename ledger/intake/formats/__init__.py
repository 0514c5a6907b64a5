"""One module an input format, and the registry of them."""

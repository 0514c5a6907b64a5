"""The words of a page, made of its figures."""

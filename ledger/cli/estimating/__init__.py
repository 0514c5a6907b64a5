"""What `estimate` and `diff` read and show."""

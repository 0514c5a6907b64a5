"""Ways in for running applications."""

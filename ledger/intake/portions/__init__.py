"""Sources in portions: facts with their labels, ready to be priced."""

"""Reports: sums read from the roll-ups or the charges, and the table made of them."""

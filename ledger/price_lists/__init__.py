"""Prices as others publish them, made into rate cards: one file each list, `card` writes what a card can say."""

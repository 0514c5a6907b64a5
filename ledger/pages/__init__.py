"""The page of a month: its figures, the words and charts made of them, and the formats it is written in."""

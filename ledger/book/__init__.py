"""The book: usage records and charges, written by `posting` alone, with what keeps them whole."""

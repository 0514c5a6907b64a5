"""Usage as others write it, on its way into the book: read, labelled, priced, posted or held back."""

"""Usage of any format on its way into the book: read, labelled, priced, posted or held."""

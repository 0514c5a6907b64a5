"""Usage kept outside of the ledger's tables, as Parquet: priced by the same rule, summed up into the book."""

"""Rate cards, prices and conversions as the ledger keeps them, and usage priced by them."""

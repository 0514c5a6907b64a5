"""The ledger compared with a provider's statement, its own figures or a balance."""

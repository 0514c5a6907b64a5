"""A ledger's schema taken apart, as a database has it and as the migrations make it."""

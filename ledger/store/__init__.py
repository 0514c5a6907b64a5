"""The database: connections and transactions, bulk work, pieces of SQL, and in `tables` the schema."""

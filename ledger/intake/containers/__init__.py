"""Files as they come, plain or compressed: lines, arrays, documents, tables and event streams, read into items."""

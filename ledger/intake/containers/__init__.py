"""Files, plain or compressed: lines, arrays, documents, tables, event streams -> items."""

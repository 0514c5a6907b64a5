"""How commands show what they found: sheets, tables, files, notes."""

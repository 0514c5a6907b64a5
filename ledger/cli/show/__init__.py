"""Sheets, tables, files and notes that commands show."""

"""Files for other programs: one module a file format, each streaming."""

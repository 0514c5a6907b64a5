"""Files of columns: CSV, JSON, Excel and Parquet, written row by row."""

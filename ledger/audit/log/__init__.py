"""The log compared with the rows it covers, signed off, and told in words."""

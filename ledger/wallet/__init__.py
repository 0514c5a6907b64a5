"""Prepaid credits: lots with cost and expiry, drawn down as usage posts; entries are written when a month closes."""

"""A change compared with what was before, its causes and gates."""

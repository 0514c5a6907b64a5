"""A lake compared with itself, with the prices that its charges are pinned to, and with what was posted of it."""

"""Remote buses: commands and queries that another process handles."""

"""Reading: conditions, pages, and read models."""

"""The rows of views and their indexes."""

"""Databases of earlier schema versions, with data, and their upgrade."""

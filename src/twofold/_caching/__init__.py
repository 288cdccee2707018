"""Caching: answers of queries, their keys, how concurrent loads are shared, and invalidation."""

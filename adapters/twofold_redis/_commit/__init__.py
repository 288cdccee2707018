"""Commits: a transaction as one script."""

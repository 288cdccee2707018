"""Suites for stores and their transactions."""

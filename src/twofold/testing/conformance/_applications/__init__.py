"""Suites that run a whole application."""

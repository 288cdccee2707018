"""Connections, transactions, compiled statements, and the translation of errors."""

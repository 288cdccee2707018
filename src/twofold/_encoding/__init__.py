"""Encoding: messages, rows, states, metadata and results as JSON, schema versions, secrets."""

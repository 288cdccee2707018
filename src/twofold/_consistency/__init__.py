"""Causal consistency: the writes that a session has seen, its token, and the wait for read models."""

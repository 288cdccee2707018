"""Causal consistency: what a session has seen, its token, and waiting until a read model has caught up."""

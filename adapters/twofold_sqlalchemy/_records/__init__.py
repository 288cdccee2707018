"""Idempotency keys, the inbox, and the schedule."""

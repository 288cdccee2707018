"""Twofold's own tables, created and verified."""

"""Stores that are broken on purpose; each suite is shown to fail on its own."""

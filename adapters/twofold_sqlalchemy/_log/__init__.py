"""The event log: reading, and one append strategy for each database."""

"""Fuzzing of everything that strangers send: `python -m tests.fuzz --help`."""

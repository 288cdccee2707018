"""Checkpoints, parked events, and leases."""

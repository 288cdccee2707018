"""Partitions, leases, checkpoints, and parked events."""

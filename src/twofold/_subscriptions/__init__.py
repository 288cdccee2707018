"""Subscriptions: workers with leases, batches of events, projections, event handlers, rebuilds, status."""

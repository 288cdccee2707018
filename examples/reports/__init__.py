"""Reports, a third service: read models of the orders in Redis, updated by events from the broker."""

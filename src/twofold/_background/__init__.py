"""Background tasks: signals, key locks, supervision, the clock, backoff, and how failures are reported."""

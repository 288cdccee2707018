"""Integration: CloudEvents, the relay to a broker, and events that other applications publish."""

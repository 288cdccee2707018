"""Redis Streams as a transport."""

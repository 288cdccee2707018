"""The server: connections, keys, scripts, errors, and byte encodings that sort."""

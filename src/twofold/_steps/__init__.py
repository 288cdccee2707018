"""Durable steps: outside calls of event handlers, whose results are stored."""

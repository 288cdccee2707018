"""Suites for transports, requests, caches and notifiers."""

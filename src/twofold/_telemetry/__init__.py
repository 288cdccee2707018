"""Telemetry: spans and metrics through the OpenTelemetry API, and nothing at all where it is off."""

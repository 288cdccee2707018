"""The rows of views."""

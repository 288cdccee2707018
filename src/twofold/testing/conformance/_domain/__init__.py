"""The small domains that the suites use."""

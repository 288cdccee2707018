"""Clocks, proxies, waiting and opening: the tools of the suites."""

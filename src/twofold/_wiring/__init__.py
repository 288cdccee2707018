"""Wiring: handlers, stores and options are checked, planned and assembled; `explain` shows the result."""

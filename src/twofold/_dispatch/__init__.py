"""Dispatch: a message from `Session.dispatch` or `Session.execute` to its handler and the commit."""

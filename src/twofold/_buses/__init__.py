"""Command, query and event buses, usable alone as a mediator: decorators, signatures, the middleware chain."""

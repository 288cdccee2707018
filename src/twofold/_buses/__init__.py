"""Command, query and event buses, which also work alone as a mediator. Decorators, signatures, the middleware chain."""

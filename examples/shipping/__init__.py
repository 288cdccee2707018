"""Shipping, a second service: it knows orders only by their events, and answers with a command.

Read `service`, then `__main__`. What crosses between the two services is in `orders.messages`, their contract.
"""

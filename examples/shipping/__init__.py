"""Shipping, a second service: it receives the events of orders and sends a command back.

Read `service`, then `__main__`. The messages between the two services are in `orders.messages`.
"""

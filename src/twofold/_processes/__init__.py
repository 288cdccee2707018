"""Processes (sagas, process managers): their inputs, their state, and the subscription that runs them."""

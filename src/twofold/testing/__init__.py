"""Tools that tests of applications and adapters share."""

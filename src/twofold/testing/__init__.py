"""What tests of applications and adapters share."""

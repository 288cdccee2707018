"""What a user would pick instead, each in a virtual environment of its own: `make peers`."""

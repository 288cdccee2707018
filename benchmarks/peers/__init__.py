"""The alternatives that Twofold is compared with, each in its own virtual environment: `make peers`."""

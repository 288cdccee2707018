"""Registration: the router, and what its decorators record until the application starts."""

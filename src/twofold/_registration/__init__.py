"""Registration: the router and its decorators, which record handlers until the application starts."""

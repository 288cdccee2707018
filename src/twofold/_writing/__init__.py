"""Writing: the unit of work, repositories, and how aggregates are loaded and saved."""

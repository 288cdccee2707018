"""SQLite 3.35 or later, through SQLAlchemy's dialect for aiosqlite."""

"""Migrations of Twofold's own tables from one schema version to the next, as Alembic revisions."""

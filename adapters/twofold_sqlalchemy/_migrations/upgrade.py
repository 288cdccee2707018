"""The upgrade of Twofold's own tables inside the migrations of an application."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from twofold.errors import ConfigurationError, MissingDependency


def upgrade(connection: Connection) -> Sequence[int]:
    """Bring Twofold's own tables to the schema version of this release, in the transaction of a connection.

    Call it in a revision of your own Alembic environment: `upgrade(op.get_bind())`. In an empty database all tables are
    created. An interrupted upgrade is continued by the next call, because MariaDB and MySQL commit each statement.

    Returns:
        The versions that were reached, in order; empty if the tables were up to date.

    Raises:
        ConfigurationError: the tables have a newer version than this release, or there is no connection, because Alembic
            only prints statements (`--sql`).
        MissingDependency: Alembic is not installed.
    """
    try:
        from .revisions import run_on  # only migrations need Alembic
    except ImportError as error:
        raise MissingDependency("pip install 'twofold[migrations]'") from error
    if not isinstance(connection, Connection):
        raise ConfigurationError(
            f"cannot upgrade the tables: {type(connection).__name__} is not a connection to a database. The statements "
            "depend on the version of the tables. If Alembic prints statements with --sql, leave out this revision, and "
            "take its statements from `twofold schema sql`."
        )
    return run_on(connection)

"""Turn errors of the driver and of SQLAlchemy into Twofold's."""

from __future__ import annotations

from sqlalchemy import exc

from twofold.errors import (
    NotStorable,
    ReadOnlyUnitOfWork,
    SchemaMissing,
    StorageError,
    TransientFailure,
    TwofoldError,
)

from .._dialects.dialect import Dialect


def hide_parameters(error: BaseException) -> None:
    """Leave the parameters out of the error's text: they are the user's data, and errors are logged."""
    if isinstance(error, exc.DBAPIError):
        error.hide_parameters = True


def translated(error: BaseException, attempt: str, dialect: Dialect) -> TwofoldError:
    """Return the error to raise from one of the driver or of SQLAlchemy.

    Args:
        error: what was raised; the caller chains it.
        attempt: what was attempted, as the end of "cannot ...".
        dialect: knows the driver's errors.
    """
    if isinstance(error, TwofoldError):
        return error
    hide_parameters(error)
    found = error.orig if isinstance(error, exc.DBAPIError) else error
    text = f"cannot {attempt}: {type(found).__name__}: {found}. {dialect.errors.advice(found)}".rstrip()
    if isinstance(error, exc.TimeoutError):
        return TransientFailure(
            f"{text} Every connection of the engine's pool is in use: raise pool_size, or hold them shorter."
        )
    if isinstance(found, OSError):
        return TransientFailure(f"{text} Nothing answers there: start the server, or correct the URL of the engine.")
    if (isinstance(error, exc.DBAPIError) and error.connection_invalidated) or dialect.errors.is_transient(found):
        return TransientFailure(f"{text} Repeat the whole handler on a fresh unit of work.")
    if dialect.errors.is_refused_write(found):
        return ReadOnlyUnitOfWork(f"{text} The transaction is read only.")
    if dialect.errors.is_missing_table(found):
        return SchemaMissing(f"{text} Create what is missing with create_schema(), or with your migrations.")
    if isinstance(error, exc.IntegrityError):
        return NotStorable(f"{text} A constraint of the database forbids it; nothing was written.")
    if isinstance(error, OverflowError):
        return NotStorable(f"{text} The database keeps integers of 64 bits; use a str or a Decimal for larger ones.")
    if isinstance(error, (UnicodeError, exc.DataError)) or dialect.errors.is_unfit(found):
        return NotStorable(f"{text} Write another value, or give it another type.")
    return StorageError(text)

"""Translate errors of the driver and of SQLAlchemy to Twofold's errors."""

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
    """Remove the parameters from the error's text: they are the user's data, and errors are logged."""
    if isinstance(error, exc.DBAPIError):
        error.hide_parameters = True


def translated(error: BaseException, action: str, dialect: Dialect) -> TwofoldError:
    """Return the error to raise for an error of the driver or of SQLAlchemy.

    Args:
        error: the error that was raised. The caller chains it.
        action: the action, for the error message "cannot <action>".
        dialect: classifies the driver's errors.
    """
    if isinstance(error, TwofoldError):
        return error
    hide_parameters(error)
    found = error.orig if isinstance(error, exc.DBAPIError) else error
    text = f"cannot {action}: {type(found).__name__}: {found}. {dialect.errors.advice(found)}".rstrip()
    if isinstance(error, exc.TimeoutError):
        return TransientFailure(
            f"{text} Every connection of the engine's pool is in use. Increase pool_size, or shorten the transactions."
        )
    if isinstance(found, OSError):
        return TransientFailure(f"{text} The server does not answer. Start the server, or correct the engine's URL.")
    if (isinstance(error, exc.DBAPIError) and error.connection_invalidated) or dialect.errors.is_transient(found):
        return TransientFailure(f"{text} Repeat the whole handler on a fresh unit of work.")
    if dialect.errors.is_read_only_error(found):
        return ReadOnlyUnitOfWork(f"{text} The transaction is read-only.")
    if dialect.errors.is_missing_table(found):
        return SchemaMissing(
            f"{text} Create missing tables with `twofold schema create` or `await app.create_schema()`, or with your "
            "migrations."
        )
    if isinstance(error, exc.IntegrityError):
        return NotStorable(f"{text} A constraint of the database was violated. Nothing was written.")
    if isinstance(error, OverflowError):
        return NotStorable(
            f"{text} The database stores integers of 64 bits. Use a str or a Decimal for larger numbers."
        )
    if isinstance(error, (UnicodeError, exc.DataError)) or dialect.errors.is_invalid_value(found):
        return NotStorable(f"{text} Store another value, or change the field's type.")
    return StorageError(text)

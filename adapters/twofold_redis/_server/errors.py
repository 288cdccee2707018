"""Translate the errors of redis-py to the errors of Twofold."""

from __future__ import annotations

from socket import gaierror
from typing import Final

from redis import exceptions as found

from twofold.errors import StorageError, TransientFailure, TwofoldError

TRANSLATED: Final = (found.RedisError, found.RedisClusterException, OSError)
"""The errors that redis-py raises. Its own TimeoutError and ConnectionError are not OSErrors, but a socket may raise one."""

_LOST: Final = (found.ConnectionError, found.TimeoutError, OSError)
_NOT_FOR_NOW: Final = (found.AuthenticationError, found.AuthorizationError, found.NoPermissionError)
_BUSY: Final = (
    found.ReadOnlyError,
    found.OutOfMemoryError,
    found.ClusterDownError,
    found.TryAgainError,
    found.SlotNotCoveredError,
)
_BUSY_CODES: Final = ("BUSY", "LOADING", "NOREPLICAS", "MISCONF", "UNBLOCKED", "OOM", "READONLY", "MASTERDOWN")


def is_lost(error: BaseException) -> bool:
    """Return whether no answer arrived. The command may have been executed."""
    refused = isinstance(error, (found.BusyLoadingError, found.MaxConnectionsError, *_NOT_FOR_NOW))
    return isinstance(error, _LOST) and not refused


def is_unreachable(error: BaseException) -> bool:
    """Return whether there was no server to connect to, according to the causes of an error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (ConnectionRefusedError, FileNotFoundError, gaierror)):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def translated(error: BaseException, attempt: str) -> TwofoldError:
    """Return the error of Twofold for an error of redis-py.

    Args:
        error: the error of redis-py. The caller chains it.
        attempt: the end of the text "cannot ...".
    """
    text = f"cannot {attempt}: {type(error).__name__}: {str(error).rstrip('.') or 'no answer in time'}."
    if isinstance(error, _NOT_FOR_NOW) or has_code(error, "NOPERM"):
        return StorageError(f"{text} Use an account that has the permission.")
    if isinstance(error, found.MaxConnectionsError):
        return TransientFailure(f"{text} All connections of the client are in use. Raise max_connections.")
    if isinstance(error, found.OutOfMemoryError) or has_code(error, "OOM"):
        return TransientFailure(f"{text} Redis has reached its maxmemory. Raise it, or delete data.")
    if is_unreachable(error):
        return TransientFailure(
            f"{text} No server answers at that address. Start the server, or correct the address of the client."
        )
    if isinstance(error, _BUSY) or is_lost(error) or isinstance(error, found.BusyLoadingError):
        return TransientFailure(f"{text} Redis is busy or does not answer. Retry the whole transaction.")
    if any(has_code(error, code) for code in _BUSY_CODES):
        return TransientFailure(f"{text} Redis is busy. Retry the whole transaction.")
    if has_code(error, "WRONGTYPE"):
        return StorageError(f"{text} Another program uses a key of this store. Choose another prefix.")
    return StorageError(text)


def has_code(error: BaseException, code: str) -> bool:
    """Return whether Redis refused a command with this code. Redis 6 puts a text before the code if a script failed."""
    text = str(error)
    return isinstance(error, found.ResponseError) and (text.startswith(f"{code} ") or f"-{code} " in text)

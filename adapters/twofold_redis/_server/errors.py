"""Turn errors of redis-py into Twofold's."""

from __future__ import annotations

from socket import gaierror
from typing import Final

from redis import exceptions as found

from twofold.errors import StorageError, TransientFailure, TwofoldError

TRANSLATED: Final = (found.RedisError, found.RedisClusterException, OSError)
"""What redis-py raises. Its own TimeoutError and ConnectionError are no OSErrors; a socket's may come through."""

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
    """Return whether no answer came: what was asked may have been done."""
    refused = isinstance(error, (found.BusyLoadingError, found.MaxConnectionsError, *_NOT_FOR_NOW))
    return isinstance(error, _LOST) and not refused


def nobody_there(error: BaseException) -> bool:
    """Return whether there was nobody to connect to: what is behind it says so."""
    lag: BaseException | None = error
    while lag is not None:
        if isinstance(lag, (ConnectionRefusedError, FileNotFoundError, gaierror)):
            return True
        lag = lag.__cause__ or lag.__context__
    return False


def translated(error: BaseException, attempt: str) -> TwofoldError:
    """Return the error to raise from one of redis-py.

    Args:
        error: what was raised; the caller chains it.
        attempt: what was attempted, as the end of "cannot ...".
    """
    text = f"cannot {attempt}: {type(error).__name__}: {str(error).rstrip('.') or 'no answer in time'}."
    if isinstance(error, _NOT_FOR_NOW) or has_code(error, "NOPERM"):
        return StorageError(f"{text} Give the client the user name and the password of an account that may do this.")
    if isinstance(error, found.MaxConnectionsError):
        return TransientFailure(f"{text} Every connection of the client's pool is in use: raise max_connections.")
    if isinstance(error, found.OutOfMemoryError) or has_code(error, "OOM"):
        return TransientFailure(f"{text} Redis has reached its maxmemory: raise it, or remove what is not needed.")
    if nobody_there(error):
        return TransientFailure(
            f"{text} Nothing answers there: start the server, or correct the address of the client."
        )
    if isinstance(error, _BUSY) or is_lost(error) or isinstance(error, found.BusyLoadingError):
        return TransientFailure(f"{text} Redis is away or busy; repeat the whole step.")
    if any(has_code(error, code) for code in _BUSY_CODES):
        return TransientFailure(f"{text} Redis is busy; repeat the whole step.")
    if has_code(error, "WRONGTYPE"):
        return StorageError(f"{text} Something else is kept under a key of this store: choose another prefix.")
    return StorageError(text)


def has_code(error: BaseException, code: str) -> bool:
    """Return whether Redis refused something with this code. Redis 6 puts that of a script's command behind a text."""
    text = str(error)
    return isinstance(error, found.ResponseError) and (text.startswith(f"{code} ") or f"-{code} " in text)

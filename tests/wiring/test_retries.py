"""`Retry`: its delays, the classes of errors, and arguments that are refused."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.domains.orders import Placed
from tests.wiring.applications import app
from tests.wiring.domain import Rows
from twofold import Retry
from twofold.errors import (
    CheckpointMoved,
    CommitUnknown,
    InvalidDefinition,
    StorageError,
    TransactionIdled,
    TransientFailure,
    WiringError,
)


def test_the_most_specific_class_decides() -> None:
    """The class that comes first in the method resolution order of the error decides."""
    retry = Retry(on=(OSError, KeyError), park_on=(FileNotFoundError, LookupError), skip_on=IndexError)
    delayed = {error: retry.delay_after(1, error()) is not None for error in (OSError, PermissionError, KeyError)}
    assert all(delayed.values())
    for error in (FileNotFoundError, LookupError, IndexError, ValueError):
        assert retry.delay_after(1, error()) is None
    assert [retry.skips(error()) for error in (IndexError, LookupError, OSError, ValueError)] == [
        True, False, False, False,
    ]  # fmt: skip


def test_every_error_is_retried_by_default() -> None:
    """Without classes, each `Exception` is retried until the attempts are used up."""
    retry = Retry(attempts=2)
    assert [retry.delay_after(1, ValueError()) is None, retry.delay_after(2, ValueError()) is None] == [False, True]
    assert not retry.skips(ValueError())


def test_store_failures_may_be_the_only_errors_that_are_retried() -> None:
    """`on` may name store failures, which are retried anyway: every other error then parks the event immediately."""
    assert Retry(on=TransientFailure).delay_after(1, ValueError()) is None
    assert Retry(park_on=StorageError).delay_after(1, StorageError()) is None


def test_a_transaction_that_idled_is_retried_unless_an_option_names_it() -> None:
    """A process that was paused parks no event. An option with the class decides otherwise."""
    idled = TransactionIdled()
    assert [Retry(attempts=2, on=ValueError).delay_after(each, idled) is None for each in (1, 2)] == [False, True]
    assert Retry(park_on=TransactionIdled).delay_after(1, idled) is None
    assert Retry(skip_on=TransactionIdled).skips(idled)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"attempts": 0}, "Retry(attempts=0): it must be an integer of at least 1"),
        ({"attempts": 2.5}, "Retry(attempts=2.5)"),
        ({"delay": -1}, "Retry(delay=-1): it must be a number of seconds from 0 to"),
        ({"delay": "soon"}, "Retry(delay='soon')"),
        ({"longest": float("inf")}, "Retry(longest=inf)"),
        ({"longest": float("nan")}, "Retry(longest=nan)"),
        ({"longest": 31_536_001}, "Retry(longest=31536001)"),
        ({"on": "ValueError"}, "Retry(on='ValueError'): pass an exception class, or a tuple of exception classes"),
        ({"park_on": [ValueError]}, "Retry(park_on=[<class 'ValueError'>]): pass an exception class, or a tuple"),
        ({"skip_on": ValueError("one")}, "Retry(skip_on=ValueError('one')): pass an exception class"),
        ({"skip_on": int}, "Retry(skip_on=int): pass an exception class"),
        ({"on": None}, "Retry(on=None): pass an exception class"),
        ({"park_on": BaseException}, "Retry(park_on=BaseException): it is not a subclass of Exception"),
        ({"on": (ValueError, asyncio.CancelledError)}, "Retry(on=CancelledError): it is not a subclass of Exception"),
        ({"skip_on": KeyboardInterrupt}, "Retry(skip_on=KeyboardInterrupt): it is not a subclass of Exception"),
        (
            {"on": ValueError, "park_on": (KeyError, ValueError)},
            "Retry(park_on=ValueError): on= contains this class, too. Keep it in one of them",
        ),
        (
            {"park_on": KeyError, "skip_on": KeyError},
            "Retry(skip_on=KeyError): park_on= contains this class, too. Keep it in one of them",
        ),
        (
            {"park_on": Exception},
            "Retry(park_on=Exception): on= contains this class, too, which is the default of on=. Keep it in one of them",
        ),
        ({"park_on": TransientFailure}, "Retry(park_on=TransientFailure): this failure does not depend on the event"),
        ({"skip_on": (CommitUnknown,)}, "Retry(skip_on=CommitUnknown): this failure does not depend on the event"),
        ({"park_on": CheckpointMoved}, "Retry(park_on=CheckpointMoved)"),
    ],
)
def test_a_retry_that_cannot_be_meant(given: dict[str, Any], said: str) -> None:
    """The error names the argument, its value, and what to pass."""
    with pytest.raises(InvalidDefinition, match=re.escape(said)):
        Retry(**given)


def test_a_retry_that_is_none() -> None:
    """`check()` reports a `retry=` that is not a `Retry`."""
    made: Any = app()
    made.event_handler(Placed, name="mail", retry=3)(_mail)
    with pytest.raises(WiringError, match=r"retry=3 of 'mail': pass a Retry, such as Retry\(attempts=8\)"):
        made.check()


def test_a_retry_of_an_inline_projection() -> None:
    """`check()` reports classes of errors for an inline projection, which is never retried. Numbers are ignored."""
    made = app()
    made.projection("rows", mode="inline", retry=Retry(skip_on=LookupError))(Rows)
    with pytest.raises(WiringError, match="'rows' is inline, and its Retry has on="):
        made.check()
    made = app()
    made.projection("rows", mode="inline", retry=Retry(attempts=3))(Rows)
    made.check()


async def _mail(event: Placed) -> None: ...

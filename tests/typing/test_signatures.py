"""An application and a session are used alike."""

from __future__ import annotations

import inspect

import pytest

from twofold import Application, Session


@pytest.mark.parametrize("name", ["execute", "gather", "stream", "subscribe"])
def test_an_application_and_a_session_have_the_same_signature(name: str) -> None:
    """A query is executed in the same way by both: the same parameters, defaults and result type."""
    of_application, of_session = (inspect.signature(getattr(each, name)) for each in (Application, Session))
    assert of_application.parameters == of_session.parameters
    # A function that returns a coroutine is used like an async function.
    result = of_application.return_annotation.removeprefix("Coroutine[Any, Any, ")
    assert result.removesuffix("]" * (result.count("]") - result.count("["))) == of_session.return_annotation

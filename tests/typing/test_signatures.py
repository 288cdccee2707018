"""An application and a session are used alike."""

from __future__ import annotations

import inspect

import pytest

from twofold import Application, Session


@pytest.mark.parametrize("name", ["execute", "stream"])
def test_an_application_and_a_session_have_the_same_signature(name: str) -> None:
    """A query is executed in the same way by both: the same parameters, defaults and result type."""
    of_application, of_session = (inspect.signature(getattr(each, name)) for each in (Application, Session))
    assert of_application == of_session

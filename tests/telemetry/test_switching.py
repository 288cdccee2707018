"""Telemetry is on if a provider is set, can be switched off, and leaves no step in a pipeline where it is off."""

from __future__ import annotations

import subprocess
import sys
from math import nan
from typing import Any

import pytest

import twofold._telemetry.options
from tests.domains.orders import Place
from tests.telemetry.collected import Collected
from twofold import Application, Telemetry
from twofold._telemetry.metrics import BACKLOG
from twofold._telemetry.spans import DISPATCH
from twofold.errors import ConfigurationError
from twofold.testing.conformance._domain.audit import auditing
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_memory import InMemory


async def place(command: Place) -> str:
    """Place an order."""
    return "placed"


def application(telemetry: Any) -> Application:
    """Return an application with one command."""
    app = Application("orders", write=InMemory(), telemetry=telemetry)
    app.command_handler(Place)(place)
    return app


def auditing_application(collected: Collected) -> Application:
    """Return an application with one subscription."""
    app = application(collected.option)
    app.include(auditing())
    return app


@pytest.mark.parametrize("telemetry", [None, False])
def test_a_pipeline_without_telemetry_has_no_step_of_it(telemetry: Any) -> None:
    """Where telemetry is off, a command passes the same steps as if there were none."""
    assert "telemetry:" not in application(telemetry).explain(Place)


def test_a_pipeline_with_telemetry_begins_with_its_step() -> None:
    """`explain` shows the step that records the message as the outermost one."""
    assert "1. telemetry: the span of the message" in application(Collected().option).explain(Place)


_GLOBAL = """
{first}
from tests.domains.orders import Place
from twofold import Application
from twofold_memory import InMemory

app = Application("orders", write=InMemory())

@app.command_handler(Place)
async def place(command: Place) -> str: ...

print("telemetry:" in app.explain(Place))
"""

_SET = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""


@pytest.mark.parametrize(("first", "found"), [(_SET, "True"), ("import opentelemetry.trace", "False"), ("", "False")])
def test_telemetry_is_on_if_a_provider_is_set(first: str, found: str) -> None:
    """A global provider switches telemetry on. The API alone, without a provider, does not."""
    command = [sys.executable, "-c", _GLOBAL.format(first=first)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CEILING, check=False)
    assert (done.stdout.strip(), done.stderr) == (found, "")


def test_without_the_api_telemetry_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Telemetry()` names the extra to install. An application without the option needs no API."""
    monkeypatch.setattr(twofold._telemetry.options, "find_spec", lambda name: None)
    application(None).check()
    with pytest.raises(ConfigurationError, match=r"twofold\[telemetry\]"):
        Telemetry()


@pytest.mark.parametrize(
    "options",
    [
        {"interval": 0},
        {"interval": nan},
        {"interval": True},
        {"shortest_span": -1},
        {"shortest_span": nan},
        {"tracer_provider": object()},
        {"meter_provider": 1},
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    """Seconds are finite and not negative, and a provider is one of OpenTelemetry."""
    with pytest.raises(ConfigurationError, match=r"^Telemetry\("):
        Telemetry(**options)


@pytest.mark.parametrize("telemetry", [True, "on", Telemetry])
def test_the_option_of_an_application_is_checked(telemetry: Any) -> None:
    """True is not an option: providers are set, or passed."""
    with pytest.raises(ConfigurationError, match="telemetry="):
        application(telemetry)


async def test_an_application_can_be_entered_again() -> None:
    """Gauges are reported in each run of an application, and not between the runs."""
    collected = Collected()
    app = auditing_application(collected)
    for _ in range(2):
        async with app:
            await until(lambda: len(collected.points(BACKLOG)) == 1)
        assert collected.points(BACKLOG) == []


def test_blocking_calls_continue_the_current_span() -> None:
    """A call of `app.sync` is a child of the span that is current in its thread."""
    collected = Collected()
    with (
        application(collected.option).sync as app,
        collected.tracers.get_tracer("a").start_as_current_span("a") as span,
    ):
        app.dispatch(Place())
    (dispatch,) = collected.spans(DISPATCH)
    assert dispatch.parent is not None
    assert dispatch.parent.span_id == span.get_span_context().span_id

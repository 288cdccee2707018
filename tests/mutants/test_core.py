"""Faults of the core that no adapter can have: how handlers are called, and what a message returns."""

from __future__ import annotations

import inspect
import sys
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from tests.application import test_mistakes
from tests.mutants.core import Faults, FaultSuite, at_once, replacing, setting
from tests.transport import test_token_texts
from tests.wiring import test_parameters, test_result_types
from twofold._buses import callables
from twofold._buses.signature import Parameter
from twofold._consistency import token
from twofold._consistency.token import LONGEST
from twofold._dispatch import pipeline
from twofold._encoding import result_types
from twofold._encoding.results import Results
from twofold._wiring import planner
from twofold.testing.conformance._tools.proxy import Proxy


def _not_awaited(result: Any) -> bool:
    if inspect.iscoroutine(result):
        result.close()
    return False


def _all_by_position(binding: Any, **_: bool) -> Any:
    return replace(binding, by_position=not binding.parameter.keyword_only)


def _of_a_derived_class(evaluated: Any) -> Any:
    def wrong(annotation: Any, cls: type[Any], names: Any) -> Any:
        while derived := cls.__subclasses__():
            cls = derived[-1]
        return evaluated(annotation, cls, names)

    return wrong


def _of_the_first_base(declared: Any) -> Any:
    def wrong(cls: type[Any], scope: type[Any], names: Any) -> Any:
        arguments = cls.__pydantic_generic_metadata__["args"]
        return (arguments[0],) if arguments and not isinstance(arguments[0], str) else declared(cls, scope, names)

    return wrong


async def _as_it_is(result: Any, _: object) -> Any:
    _not_awaited(result)
    return result


unawaited = setting(pipeline, "_finished", _as_it_is)
unawaited_in_decorators = at_once(setting(callables, "inspect", Proxy(inspect, isawaitable=_not_awaited)), unawaited)

HANDLERS: Faults = {
    test_mistakes.test_an_awaitable_that_a_handler_returns_is_awaited: {
        "a call that a handler did not await is its result": unawaited,
        "a call of a decorated handler is its result": unawaited_in_decorators,
    },
    test_parameters.test_parameters_of_functions: {
        "every value is passed by position": setting(planner, "replace", _all_by_position),
        "a positional-only parameter loses its default": setting(planner, "_always", lambda _: lambda _: None),
        "an optional parameter is not injected": setting(Parameter, "wanted", property(lambda self: self.type)),
    },
    test_parameters.test_parameters_of_classes: {
        "every value of a method is passed by position": setting(planner, "replace", _all_by_position),
    },
    test_parameters.test_parameters_of_constructors: {
        "every value of a constructor is passed by position": setting(planner, "replace", _all_by_position),
    },
}

RESULTS: Faults = {
    test_result_types.test_generic_base_classes: {
        "type parameters are not replaced": setting(result_types, "substituted", lambda found, _: found),
        "type parameters are replaced in the order of the derived class": replacing(
            result_types, "_declared", _of_the_first_base
        ),
    },
    test_result_types.test_quoted_types_of_other_modules: {
        "a quoted type is one of the derived class": replacing(result_types, "_evaluated", _of_a_derived_class),
    },
    test_result_types.test_quoted_types_of_a_function: {
        "the names around a message are not seen": setting(result_types, "_value", lambda _: Any),
    },
    test_result_types.test_a_generic_base_class_at_run_time: {
        "results are taken for anything": setting(result_types, "_declared", lambda *_: None),
    },
}


def _in_squares(positions: Any) -> Any:
    def slow(distances: Any) -> Any:
        for upto in range(len(distances)):
            for _ in distances[:upto]:
                pass
        return positions(distances)

    return slow


def _with_all_between(positions: Any) -> Any:
    def large(distances: Any) -> Any:
        found = positions(distances)
        assert len([*range(found[-1] if found else 0)]) <= LONGEST**2
        return found

    return large


def _again(merged: Any) -> Any:
    def slow(written: Any) -> Any:
        return [merged(written[:upto]) for upto in range(1, len(written) + 1)][-1]

    return slow


TOKENS: Faults = {
    test_token_texts.test_a_well_formed_token_that_is_too_long_is_refused: {
        "a token of any length is decoded": setting(token, "LONGEST", sys.maxsize),
    },
    test_token_texts.test_a_token_costs_linear_time: {
        "positions are compared with each other": replacing(token, "_positions", _in_squares),
        "logs are compared with each other": replacing(test_token_texts, "merged", _again),
    },
    test_token_texts.test_a_token_costs_bounded_memory: {
        "all positions up to the last are stored": replacing(token, "_positions", _with_all_between),
    },
}


if sys.version_info >= (3, 12):
    BRACKETS = {"type parameters in brackets stay open": setting(result_types, "substituted", lambda found, _: found)}
    RESULTS = {**RESULTS, test_result_types.test_classes_with_type_parameters: BRACKETS}


class TestTokens(FaultSuite):
    """Tokens that cost more than their length."""

    mutants = TOKENS


class TestHandlers(FaultSuite):
    """Handlers that are not awaited, or that get the values of other parameters."""

    mutants = HANDLERS


class TestResults(FaultSuite):
    """Result types that are not found, or that are those of another class."""

    mutants = RESULTS

    @pytest.fixture(autouse=True)
    def nothing_known(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Find every result type again, and forget the wrong ones afterwards."""
        monkeypatch.setattr(result_types, "_known", WeakKeyDictionary())
        self._forget()
        yield
        self._forget()

    @staticmethod
    def _forget() -> None:
        result_types.answers_of.cache_clear()
        Results.of.cache_clear()

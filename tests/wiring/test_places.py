"""Where handlers and messages are defined, for faults with file and line."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from twofold._registration.places import Place, place_of

NOWHERE = Place("nowhere", 0)


def decorated(cls: type[Any]) -> type[Any]:
    """Return the class."""
    return cls


class Empty: ...


@decorated
@decorated
class Decorated: ...


class Outer:
    class Named:
        """A class inside a class."""

    def make(self) -> type[Any]:
        """Return a class that has the name of another one."""

        class Named:
            """A class inside a method."""

        return Named


class Named:
    """A class in the module."""


def line_of(place: Place) -> str:
    """Return the text of the line, without its indentation."""
    return linecache.getline(place.file, place.line).strip()


@pytest.mark.parametrize("thing", [Empty, Decorated, Outer, Named])
def test_a_class_is_found_at_its_class_statement(thing: type[Any]) -> None:
    """The line is that of `class`, below the decorators."""
    place = place_of(thing, NOWHERE)

    assert (place.file, line_of(place).split(":")[0]) == (__file__, f"class {thing.__name__}")


def test_classes_of_the_same_name_are_distinguished() -> None:
    """A class in a class, one in a method, and one in the module have different places, in the order of the file."""
    places = [place_of(each, NOWHERE) for each in (Outer.Named, Outer().make(), Named)]

    assert {line_of(each) for each in places} == {"class Named:"}
    assert sorted({each.line for each in places}) == [each.line for each in places]


def test_an_object_is_found_at_its_class() -> None:
    """An instance that is a handler has the place of its class."""
    assert place_of(Empty(), NOWHERE) == place_of(Empty, NOWHERE)


def _made_at_run_time() -> type[Any]:
    return type("Unwritten", (), {})


@pytest.mark.parametrize("make", [_made_at_run_time, lambda: int])
def test_a_class_without_source_has_the_fallback(make: Callable[[], type[Any]]) -> None:
    """A class that is not written in a file, such as one of C, is reported at the place of its registration."""
    assert place_of(make(), NOWHERE) == NOWHERE


def test_places_are_found_in_several_threads() -> None:
    """Applications that are wired in several threads at the same time find the same places."""
    with ThreadPoolExecutor(8) as threads:
        places = set(threads.map(lambda _: place_of(Named, NOWHERE), range(200)))

    assert places == {place_of(Named, NOWHERE)}

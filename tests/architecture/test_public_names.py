"""The public surface is one sorted list, and every error is drawn in the tree."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import twofold
from twofold import errors

ERRORS = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, twofold.TwofoldError)]
LEAVES = [each for each in ERRORS if not each.__subclasses__() or each.__module__ != errors.__name__]


def test_the_list_of_public_names_is_the_real_one() -> None:
    """`__all__` is sorted and holds exactly the names that the package offers."""
    offered = {
        name for name in vars(twofold) if not name.startswith("_") and not inspect.ismodule(getattr(twofold, name))
    }
    assert list(twofold.__all__) == sorted(twofold.__all__)
    assert set(twofold.__all__) == offered


@pytest.mark.parametrize("name", twofold.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    """Each public name has a docstring of its own."""
    assert inspect.getdoc(getattr(twofold, name))


def test_every_public_name_is_in_the_reference() -> None:
    """Each public name has an entry on exactly one page of the reference."""
    pages = (Path(__file__).resolve().parents[2] / "docs/reference").glob("*.md")
    entries = [name for page in pages for name in re.findall(r"^::: twofold\.(\w+)$", page.read_text(), re.MULTILINE)]
    elsewhere = {
        "errors",
        "logging",
        "middleware",
        "ports",
        "testing",
        "TwofoldError",
    }  # pages of modules; the error is on the first one
    assert sorted(name for name in entries if name not in elsewhere) == [
        each for each in twofold.__all__ if each not in elsewhere
    ]


def test_the_front_door_is_small() -> None:
    """`Application` has at most 18 public methods beside the decorators."""
    decorators = {"command_handler", "query_handler", "event_handler", "projection", "process", "upcaster"}
    methods = {name for name in dir(twofold.Application) if not name.startswith("_")} - decorators
    assert len(methods) <= 18


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_in_the_drawn_tree(error: type[Exception]) -> None:
    """The module's docstring draws each error."""
    assert f" {error.__name__} " in f"{errors.__doc__} ".replace("\n", " \n")


@pytest.mark.parametrize("error", LEAVES)
def test_every_leaf_is_also_a_builtin(error: type[Exception]) -> None:
    """A stranger can catch each leaf as a builtin error."""
    own = {twofold.TwofoldError, Exception, BaseException, object}
    assert [base for base in error.__mro__ if base.__module__ == "builtins" and base not in own]

"""Print results as tables or as JSON, and failures with exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.cells import cell_len, set_cell_size

from twofold import TwofoldError

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]

FINDING = 1
"""The exit code of a command that found something wrong."""

FAILURE = 3
"""The exit code of a command that failed."""

CLOSED = 141
"""The exit code of a command whose output was closed by its reader, as a shell reports it (SIGPIPE)."""

_LONGEST = 300
"""The number of characters of a cell that a table shows."""

_NUMBER = re.compile(r"[\d,.]*")


class Failure(Exception):
    """A command cannot continue.

    Args:
        text: what failed, and what to do.
        code: the exit code.
    """

    def __init__(self, text: str, *, code: int = FAILURE) -> None:
        super().__init__(text)
        self.code = code


def run(work: Callable[[], Coroutine[Any, Any, int | None]]) -> None:
    """Run a command to its end, and exit with its code.

    Errors of the user's or the store's kind are printed in one line, others with their traceback.
    """
    try:
        code = asyncio.run(work()) or 0
    except Failure as error:
        raise _failed(str(error), error.code) from error
    except (TwofoldError, LookupError, ValueError, TimeoutError, OSError) as error:
        raise _failed(str(error) or type(error).__name__, FAILURE) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        traceback.print_exc()
        raise typer.Exit(FAILURE) from error
    raise typer.Exit(code)


def _failed(text: str, code: int) -> typer.Exit:
    typer.secho(f"Error: {printable(text)}", fg="red", err=True)
    return typer.Exit(code)


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON. Dataclasses are objects; times (ISO 8601), ids and decimals are texts."""
    print_lines(json.dumps(value, default=plain, ensure_ascii=False, indent=indent))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a table, or a sentence if it has no rows.

    Each row is one line whatever the width of the terminal, so that names and ids can be copied and searched. Numbers are
    aligned to the right. A long cell is cut; JSON has the whole text.
    """
    found = [[_cell(cell) for cell in row] for row in rows]
    if not found:
        say(empty)
        return
    widths = [max(cell_len(row[index]) for row in [columns, *found]) for index in range(len(columns))]
    numeric = [all(_NUMBER.fullmatch(row[index]) for row in found) for index in range(len(columns))]
    for row in [columns, *found]:
        cells = (
            " " * (width - cell_len(cell)) + cell if right else set_cell_size(cell, width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        _write("  ".join(cells).rstrip())


def say(text: str, *, style: str = "") -> None:
    """Print one line. A style is the name of a colour, which only a terminal shows."""
    line = printable(text)
    coloured = style and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    _write(typer.style(line, fg=style) if coloured else line)


def print_lines(text: str) -> None:
    """Print a text of several lines."""
    _write(printable(text, keep="\n"))


def printable(text: str, *, keep: str = "") -> str:
    """Return a text whose control characters are escaped as in JSON.

    Stored texts may come from any client. Their characters must not colour, erase or reorder what a terminal shows, and must
    not look like a line of this program.

    Args:
        text: the text.
        keep: the control characters that are kept.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else json.dumps(each)[1:-1] for each in text)


def _write(text: str) -> None:
    """Print a text now.

    Raises:
        typer.Exit: the reader has closed the pipe, as `head` does.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes the rest at its end
        raise typer.Exit(CLOSED) from None


def confirmed(question: str, yes: bool) -> None:
    """Ask before data is destroyed.

    Raises:
        Failure: the user declined, or standard input is not a terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"{question} Pass --yes to confirm without a terminal.", code=2)
    if not typer.confirm(question):
        raise Failure("nothing was changed.", code=FINDING)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    text = "" if value is None else printable(str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def plain(value: Any) -> Any:
    """Return the JSON form of a value that JSON does not know."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)

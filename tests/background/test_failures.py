"""Failures become log records that every handler can write, and that no foreign text can forge."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from twofold._background.failures import log_error
from twofold._background.log_lines import logger_of
from twofold.errors import TransientFailure

FORGED = "it failed\r\n2026-11-30 WARNING a forged record\x1b[2K\u2028\x85\u202e"


@pytest.mark.parametrize(
    ("error", "written"),
    [
        (ValueError("no file naïve ☕"), "ValueError: no file naïve ☕"),
        (ValueError("half a pair \udcff, and NUL \0"), r"ValueError: half a pair \udcff, and NUL \x00"),
    ],
)
def test_a_traceback_is_written_in_utf_8(error: Exception, written: str, tmp_path: Path) -> None:
    """The text of an error is logged, with lone surrogates escaped: a handler would lose the record otherwise."""
    lines = _written(tmp_path, error, "a job")
    assert (lines[0], lines[-1].strip()) == ("a job failed", written)


@pytest.mark.parametrize("error", [ValueError(FORGED), TransientFailure(FORGED)], ids=["traceback", "message"])
def test_a_record_has_one_line_whatever_an_error_says(error: Exception, tmp_path: Path) -> None:
    """Line breaks of arguments and errors begin no record: the message is one line, and a traceback is indented."""
    error.__cause__ = KeyError(FORGED)
    first, *others = _written(tmp_path, error, FORGED)
    assert first.startswith(r"it failed\r\n2026-11-30 WARNING a forged record\x1b[2K\u2028\x85\u202e failed")
    assert all(line.startswith("    ") for line in others)
    assert all(line.isprintable() for line in (first, *others))


def test_a_message_keeps_its_arguments(caplog: pytest.LogCaptureFixture) -> None:
    """Tools that group records by their template find it: only a message with unprintable characters is replaced."""
    logger_of("twofold.tests.failures").warning("%s failed", "a job")
    assert (caplog.records[0].msg, caplog.records[0].args) == ("%s failed", ("a job",))


def _written(folder: Path, error: Exception, argument: str) -> list[str]:
    """Return the lines that a text handler writes for a failure."""
    logger, file = logger_of("twofold.tests.failures"), folder / "log"
    handler = logging.FileHandler(file, encoding="utf-8", errors="strict")
    logger.addHandler(handler)
    log_error(logger, logging.ERROR, error, "%s failed", argument)
    logger.removeHandler(handler)
    handler.close()
    return file.read_text("utf-8").split("\n")[:-1]

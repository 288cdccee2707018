"""The wording check reads texts and not code."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import check_wording
from scripts.check_wording import RULES, faults_of, main

BAD = (
    "The function is no middleware.",
    "That is none.",
    "Build the rows anew.",
    "The next call goes on with it.",
    "Tell whoever waits.",
    "A slow worker is not robbed.",
    "Try again once it is mended.",
    "A service that hears of orders.",
    "The caller is told.",
    "A worker that falls asleep.",
    "A call waits for ever.",
    "The time-out is over.",
    "Wait for so many seconds.",
    "Nor does a cached answer.",
    "A failure of the store is nobody's fault.",
    "Forget the key for good.",
    "Changes are taken back.",
    "The caller gives way.",
    "What was stored is read.",
    "Return the way of a message.",
    "The event is set aside.",
    "All rows are replaced at once.",
    "Keys come into being with their first row.",
    "One key is parked, others flow.",
    "Stores with different prefixes do not meet.",
    "A slow reader holds nobody up.",
    "Wait until somebody answers.",
    "A reaction follows.",
    "Divide it into segments.",
)


def test_every_rule_has_an_example() -> None:
    """Each rule refuses the example of its place, so a rule that matches nothing is found."""
    assert len(BAD) == len(RULES)


@pytest.mark.parametrize("line", BAD)
def test_refused_wording_is_found_in_docs_and_in_docstrings(line: str, tmp_path: Path) -> None:
    """A line of a page, of a docstring and of a comment are each reported."""
    page, module, comment = tmp_path / "page.md", tmp_path / "module.py", tmp_path / "comment.py"
    page.write_text(f"# Title\n\n{line}\n", "utf-8")
    module.write_text(f'"""Summary.\n\n{line}\n"""\n', "utf-8")
    comment.write_text(f"x = 1  # {line}\n", "utf-8")

    assert [len(faults_of(path)) for path in (page, module, comment)] == [1, 1, 1]
    assert main([str(page)]) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.md", "The function is not a middleware. There is no longer a limit. There is no limit.\n"),
        ("page.md", "```python\nreactions = anew  # is no name\n```\n"),
        ("module.py", "anew = mended = 1\n"),
        ("module.py", '"""Return the position of the last event."""\n'),
    ],
)
def test_plain_wording_and_code_are_accepted(name: str, text: str, tmp_path: Path) -> None:
    """Plain sentences pass, and names in code are not read."""
    path = tmp_path / name
    path.write_text(text, "utf-8")

    assert faults_of(path) == []


def test_texts_of_tests_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In tests, docstrings and comments are reported, and other texts are data."""
    monkeypatch.setattr(check_wording, "TESTS", tmp_path)
    path = tmp_path / "test_case.py"
    path.write_text('def case() -> str:\n    """Build it anew."""\n    return "anew"  # not anew\n', "utf-8")

    assert [fault.split(": ")[0] for fault in faults_of(path)] == [f"{path}:2", f"{path}:3"]

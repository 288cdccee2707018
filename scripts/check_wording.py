"""Find wording that a reader has to read twice: `python scripts/check_wording.py [FILE ...]`.

Docs are read outside of code; in Python files, docstrings, comments and texts are read, and code is not. In tests, only
docstrings and comments are read: other texts are data, and ids of cases.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

READ = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/**/*.md",
    "src/**/*.py",
    "adapters/**/*.py",
    "examples/**/*.py",
    "scripts/*.py",
    "tests/**/*.py",
)
"""The texts that users and contributors read."""

TESTS = ROOT / "tests"
"""The folder in whose files only docstrings and comments are read."""

OWN = ("check_wording.py", "test_check_wording.py")
"""The files that quote refused wording."""


class Rule(NamedTuple):
    """Wording that is refused.

    Attributes:
        pattern: a regular expression, read without regard to case.
        reason: what is wrong with it, and what to write instead.
    """

    pattern: str
    reason: str


RULES = (
    Rule(r"(?<!there )\b(is|are|was|were) no (?!longer\b|more\b)[a-z]+", "negate the verb: 'is not a middleware'"),
    Rule(r"\b(it|that|this|one) is (?-i:none)\b|\bis none of\b", "say what is missing: 'none was given'"),
    Rule(r"\banew\b(?!:)", "say 'again', 'rebuild' or 'create'"),
    Rule(r"\b(go(es|ne|ing)?|went) on\b", "say 'continue' or 'resume'"),
    Rule(r"\bwhoever\b|\bwho ever\b", "name the subject: 'the caller', 'the process'"),
    Rule(r"\brobbed\b|\bsucceeded by\b|\bis succeeded\b", "say 'loses its lease' or 'is taken over'"),
    Rule(r"\bmend(s|ed|ing)?\b", "say 'fix' or 'repair'"),
    Rule(r"\bhears?\b|\bheard\b", "say 'receives' or 'is notified of'"),
    Rule(r"\btold\b", "say 'is reported', 'is logged' or 'raises'"),
    Rule(r"\basleep\b", "say 'paused'"),
    Rule(r"\bfor ever\b", "say 'forever' or 'permanently'"),
    Rule(r"\btime-outs?\b", "say 'timeout'"),
    Rule(r"\bmanieth\b|\bso (many|often)\b(?! that| as)", "name the number: 'after `timeout` seconds'"),
    Rule(r"\bnor (does|do|is|are|has)\b", "start a new sentence: 'It also does not …'"),
    Rule(r"\bnobody's fault\b|\bat fault\b|\bis to blame\b", "do not personify: 'store failures are transient'"),
    Rule(r"\bfor good\b", "say 'permanently'"),
    Rule(r"\btake(s|n)? back\b|\btook back\b", "say 'roll back' or 'cancel'"),
    Rule(r"\bgives? way\b|\blets? pass\b", "use the common verb: 'wait', 'skip'"),
    Rule(
        r"^\W*(what|who) (has|is|was|it|a|an|the) [a-z]+ed\b"
        r"|(?-i:(?:^|\"\"\"|^# )\s*(?:Who|Whoever|Whatever|What|Those)\s(?!is |are |does |happens |to |you )[a-z`]+)",
        "start with the noun: 'The second caller waits'",
    ),
    Rule(r"\bthe way of a (message|command|query)\b|\bcome(s)? by (stores|its)\b", "say 'pipeline' or 'obtain'"),
    Rule(r"\bset(s|ting)? aside\b", "say 'parked', or 'waits for a retry'"),
    Rule(r"(?<!\")\bat once\b", "ambiguous: say 'immediately', 'at the same time' or 'in one step'"),
    Rule(r"\bc[oa]m(e|es|ing) into being\b", "say 'is created'"),
    Rule(r"\b(others|keys) flow\b|\bflows again\b", "say 'other keys continue'"),
    Rule(r"\bdo(es)? not meet\b|\bthat (meet|met)\b", "say 'are independent' or 'are concurrent'"),
    Rule(r"\bholds? ((some|any|every|no)(body|thing|one)|others|it|them) up\b|\bholds? up\b", "say 'delay' or 'block'"),
    Rule(r"\b(some|any|every)body\b", "name the subject: 'another process', 'every reader'"),
    Rule(r"(?<!\*)\breactions?\b", "say 'event handler'"),
    Rule(r"(?<!\*)\bsegments?\b", "say 'partition'"),
)


def prose_of_python(source: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of docstrings, comments and texts, with their numbers."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            yield from enumerate(token.string.splitlines(), token.start[0])


def prose_of_tests(source: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of docstrings and comments, with their numbers."""
    docstrings = {
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.start[0] in docstrings):
            yield from enumerate(token.string.splitlines(), token.start[0])


def prose_of_markdown(source: str) -> Iterator[tuple[int, str]]:
    """Yield the lines outside of fenced code, with their numbers."""
    code = False
    for number, line in enumerate(source.splitlines(), 1):
        if line.lstrip().startswith("```"):
            code = not code
        elif not code:
            yield number, line


def faults_of(path: Path) -> list[str]:
    """Return where a file has refused wording, and what to write instead."""
    source = path.read_text("utf-8")
    if path.suffix != ".py":
        lines = prose_of_markdown(source)
    elif TESTS in path.resolve().parents:
        lines = prose_of_tests(source)
    else:
        lines = prose_of_python(source)
    return [
        f"{path}:{number}: {found.group(0).strip()!r}: {rule.reason}"
        for number, line in lines
        for rule in RULES
        if (found := re.search(rule.pattern, line, re.IGNORECASE))
    ]


def main(names: list[str]) -> int:
    paths = [Path(name) for name in names] or sorted(path for pattern in READ for path in ROOT.glob(pattern))
    faults = [fault for path in paths if path.name not in OWN for fault in faults_of(path)]
    for fault in faults:
        print(fault)
    print(f"{len(faults)} place(s) to reword in {len(paths)} files." if faults else f"{len(paths)} files read well.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Write docs/reference/values.md: which values are stored, and which are refused.

python scripts/values_page.py           # write the page
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from twofold.testing.conformance._domain.value_samples import Sample, samples
from twofold.testing.conformance._domain.value_ways import OPTIONAL, WAYS, accepted

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "values.md"

HEAD = """# Values

Values of many types, and whether they can be stored or sent. *Equal* means that the same value comes back. *Refused* means
`NotStorable` before the commit. *Not kept* means that no snapshot or cached answer is stored, and that the value is computed
again. The answers are the same on every adapter: conformance suites store or send each of these values on each adapter, and
`scripts/values_page.py` writes this page.
[Stored values come back unchanged](../concepts.md#stored-values-come-back-unchanged) explains the rules.

The columns are the ways into a store or to another process. In rows, times come back in UTC.

- **event, row**: a field of an event or a row.
- **state, snapshot**: an attribute of an aggregate, stored as its state or in a snapshot.
- **command, result**: a field of a scheduled command, and the result of a command with an idempotency key.
- **cached answer**: the answer of a query with `cache=`.
- **remote command, remote result**: a field of a command that is sent to another process, and the result that is sent back.
"""


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for kind, found in groupby(samples(), key=lambda sample: sample.kind):
        lines = [f"| field | value | {' | '.join(WAYS)} |", f"|---|---|{'---|' * len(WAYS)}"]
        for sample in found:
            cells = [_cell(sample, way) for way in WAYS]
            field, shown = (f"`{text}`".replace("|", "\\|") for text in (sample.field, sample.shown))
            lines.append(f"| {field} | {shown} | {' | '.join(cells)} |")
        parts.append(f"## {kind}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _cell(sample: Sample, way: str) -> str:
    if accepted(sample, way):
        return "equal"
    return "not kept" if way in OPTIONAL else "refused"


if __name__ == "__main__":
    PAGE.write_text(page())

"""Small charts as SVG paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LONGEST = 60
"""The number of values that fill a chart."""


class Sparkline(NamedTuple):
    """A chart of the last values, the newest at the right edge.

    Attributes:
        width: the width of the drawing.
        height: its height.
        line: the path of the line; empty without values.
        area: the path of the area below the line; empty without values.
        x: the place of the newest value.
        y: the place of the newest value.
    """

    width: float
    height: float
    line: str
    area: str
    x: float
    y: float


def sparkline(values: Sequence[float], *, width: float = 120, height: float = 28) -> Sparkline:
    """Draw values from 0 to the largest one."""
    shown = values[-LONGEST:]
    if not shown:
        return Sparkline(width, height, "", "", 0, 0)
    edge, top = 3.0, max(*shown, 1.0) if len(shown) > 1 else max(shown[0], 1.0)
    step = (width - 2 * edge) / (LONGEST - 1)
    begin = width - edge - step * (len(shown) - 1)
    points = [
        (round(begin + step * index, 1), round(height - edge - (height - 2 * edge) * value / top, 1))
        for index, value in enumerate(shown)
    ]
    line = "M" + "L".join(f"{x} {y}" for x, y in points)
    base = round(height - edge, 1)
    area = f"{line}L{points[-1][0]} {base}L{points[0][0]} {base}Z" if len(points) > 1 else ""
    return Sparkline(width, height, line, area, *points[-1])

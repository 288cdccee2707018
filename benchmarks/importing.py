"""`import twofold`, compared with importing its dependencies.

`import pydantic` alone loads almost nothing, because pydantic loads half of its modules when the first model is defined.
The reference therefore defines a model. `import twofold` also does: it defines the base classes of messages.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator

from benchmarks._ratio import Ratio, slower

BASE = """
from pydantic import BaseModel
import anyio
from dependency_injector import containers, providers
class Model(BaseModel):
    number: int
"""
OURS = "import twofold"
_TIMED = "import time; t = time.perf_counter()\n{}\nprint(time.perf_counter() - t)"


async def measure() -> AsyncIterator[Ratio]:
    """Measure both in new interpreters, in alternating rounds."""
    best = {BASE: float("inf"), OURS: float("inf")}
    for _ in range(9):
        for statement, so_far in best.items():
            done = subprocess.run(  # noqa: ASYNC221 -- nothing else runs here
                [sys.executable, "-c", _TIMED.format(statement)], capture_output=True, text=True, check=True
            )
            best[statement] = min(so_far, float(done.stdout))
    yield slower("import twofold", "a BaseModel, anyio, dependency_injector", best[OURS], best[BASE], 1.15)

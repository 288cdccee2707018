"""Run random inputs through every target: `python -m tests.fuzz [NAME …] [--inputs N] [--seed N]`."""

from __future__ import annotations

import resource
import time
from collections import Counter
from random import Random
from typing import Annotated

import typer

from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, Target


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Which targets: {', '.join(TARGETS)}; all by default.")
    ] = None,
    inputs: Annotated[int, typer.Option(help="The number of inputs of each target.")] = 150_000,
    seed: Annotated[int, typer.Option(help="The seed of the random inputs.")] = 1,
) -> None:
    """Print the outcomes, the slowest input and the memory of each target. An error that is not allowed is raised."""
    for name in names or TARGETS:
        typer.echo(f"{name:8} {_fuzzed(TARGETS[name], inputs, Random(seed))}")


def _fuzzed(target: Target, inputs: int, source: Random) -> str:
    outcomes, slowest, started, early = Counter[str](), 0.0, time.perf_counter(), 0
    for number in range(inputs):
        data = mutated(source.choice(target.seeds), source)
        begun = time.perf_counter()
        outcomes[outcome(target, data)] += 1
        slowest = max(slowest, time.perf_counter() - begun)
        if number == inputs // 10:
            early = _memory()
    rate = inputs / (time.perf_counter() - started)
    found = ", ".join(f"{name} {count:,}" for name, count in outcomes.most_common())
    memory = f"{early} MiB after a tenth, {_memory()} MiB at the end"
    return f"{inputs:,} inputs, {rate:,.0f}/s, slowest {slowest * 1000:.1f} ms, {memory}: {found}"


def outcome(target: Target, data: bytes) -> str:
    """Run an input. Return the name of the refusal, or "accepted".

    Raises:
        AssertionError: the target raised an error that it may not raise.
    """
    try:
        target.run(data)
    except target.refusals as refusal:
        return type(refusal).__name__
    except BaseException as error:
        raise AssertionError(f"{data!r:.2000} raises {type(error).__name__}, which is not a refusal") from error
    return "accepted"


def _memory() -> int:
    """Return the largest memory that the process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    typer.run(main)

"""The errors of a unit of work that cannot be used or committed."""

from __future__ import annotations

from ..errors import ReadOnlyUnitOfWork, UnitOfWorkClosed, UnitOfWorkDoomed, UsedFromAnotherTask


def doomed(failure: BaseException) -> UnitOfWorkDoomed:
    """Return the error for a unit of work that a store error broke."""
    return UnitOfWorkDoomed(
        f"cannot use this unit of work: {type(failure).__name__} broke it ({failure}). "
        "Let the error propagate; the retry_conflicts middleware repeats the handler on a fresh unit."
    )


def incomplete(failure: BaseException) -> UnitOfWorkDoomed:
    """Return the error for a unit of work with a part of the changes of a nested command that failed."""
    return UnitOfWorkDoomed(
        "cannot commit this unit of work: a nested command changed something and failed "
        f"({type(failure).__name__}: {failure}), and its error was caught. Let the error "
        "propagate, or dispatch the command inside `async with unit.savepoint():`."
    )


def closed() -> UnitOfWorkClosed:
    """Return the error for a unit of work that has ended."""
    return UnitOfWorkClosed("cannot use this unit of work: it has ended. Use it only while its command is handled.")


def in_another_task() -> UsedFromAnotherTask:
    """Return the error for a unit of work that another task opened."""
    return UsedFromAnotherTask(
        "cannot use this unit of work here: another task opened it. Await repository calls one after another "
        "instead of with gather() or a task group; for a time limit use anyio.fail_after(), not wait_for()."
    )


def read_only() -> ReadOnlyUnitOfWork:
    """Return the error for a write in the unit of work of a query."""
    return ReadOnlyUnitOfWork("cannot write here: a query handler must not write. Make the query a command.")

"""Recorded calls: one that was never awaited is found, however many calls were awaited before and after it."""

from __future__ import annotations

import pytest
from anyio import create_task_group

from twofold._background.calls import Calls, check_awaited, recorded
from twofold.errors import NotAwaited


class Parameter:
    """A parameter of a handler."""

    def __init__(self) -> None:
        self._calls: Calls | None = []

    @recorded
    async def use(self) -> None:
        """Do nothing."""

    @property
    def calls(self) -> Calls:
        """The recorded calls."""
        assert self._calls is not None
        return self._calls


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 1), (3, 200), (200, 3)])
async def test_a_call_that_was_never_awaited_is_found(before: int, after: int) -> None:
    """Calls that were awaited before and after the call do not hide it."""
    parameter = Parameter()
    for _ in range(before):
        await parameter.use()
    _ = parameter.use()
    for _ in range(after):
        await parameter.use()
    with pytest.raises(NotAwaited, match=r"Parameter.use\(\) was called and never awaited"):
        check_awaited(parameter.calls)
    check_awaited(parameter.calls)


async def test_calls_that_were_awaited_are_not_kept() -> None:
    """A handler that awaits many calls, one after another or at the same time, keeps few of them."""
    parameter = Parameter()
    for _ in range(1000):
        await parameter.use()
    assert len(parameter.calls) == 1
    for _ in range(20):
        async with create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(parameter.use)
    assert len(parameter.calls) < 200
    check_awaited(parameter.calls)

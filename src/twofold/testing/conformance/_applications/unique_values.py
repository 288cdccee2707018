"""Unique values in commands: one owner at a time, in the unit of work of the command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from unicodedata import normalize

import anyio.lowlevel
import pytest

from twofold import Application, Command, Router, Unique
from twofold.errors import InvalidKey, TransientFailure, ValueNotHeld, ValueTaken
from twofold.middleware import retry_conflicts

from .._domain.audit import running
from .._tools.opened import NewStore

VALUES = "v", "V", "v ", " v", "é", normalize("NFD", "é"), "ß", "ss", "v\0", "0", "v" * 10_000, "v" * 9_999 + "w"
"""Values that databases tend to confuse, or cannot store."""


class Claim(Command[None]):
    value: str = "v"
    owner: str = "a"
    scope: str = "email"
    fails: bool = False


class Release(Command[bool]):
    value: str = "v"
    owner: str = "a"


class Transfer(Command[None]):
    owner: str = "a"
    to: str = "b"


class Move(Command[None]):
    """Releases a value and claims it for another owner in one unit of work."""

    owner: str = "a"
    to: str = "b"


class Refused(Exception):
    """The failure of a command that has claimed a value."""


def claims(before: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint) -> Router:
    """Return a router whose commands change unique values.

    Args:
        before: awaited before a claim.
    """
    router = Router("claims")
    router.use(retry_conflicts(attempts=50, delay=0.001))

    @router.command_handler(Claim)
    async def claim(command: Claim, unique: Unique) -> None:
        await before()
        await unique.claim(command.scope, command.value, owner=command.owner)
        if command.fails:
            raise Refused

    @router.command_handler(Release)
    async def release(command: Release, unique: Unique) -> bool:
        return await unique.release("email", command.value, owner=command.owner)

    @router.command_handler(Transfer)
    async def transfer(command: Transfer, unique: Unique) -> None:
        await unique.transfer("email", "v", owner=command.owner, to=command.to)

    @router.command_handler(Move)
    async def move(command: Move, unique: Unique) -> None:
        assert await unique.release("email", "v", owner=command.owner)
        await unique.claim("email", "v", owner=command.to)

    return router


async def outcomes(app: Application, *commands: Command[None]) -> Counter[str]:
    """Dispatch commands at the same time; count their outcomes."""
    found: Counter[str] = Counter()

    async def run(command: Command[None]) -> None:
        try:
            await app.dispatch(command)
        except (ValueTaken, TransientFailure) as refusal:
            found[type(refusal).__name__] += 1
        else:
            found["success"] += 1

    async with anyio.create_task_group() as tasks:
        for command in commands:
            tasks.start_soon(run, command)
    return found


async def is_taken(app: Application, value: str = "v", *, by: str) -> bool:
    """Return whether an owner has a value: claiming the value again changes nothing for this owner alone."""
    try:
        await app.dispatch(Claim(value=value, owner=f"not {by}", fails=True))
    except (ValueTaken, Refused) as error:
        if isinstance(error, Refused):
            return False
    with pytest.raises(Refused):
        await app.dispatch(Claim(value=value, owner=by, fails=True))
    return True


class UniqueCommandSuite:
    """The promises of unique values in commands, on a store. Needs the fixture `new_store`."""

    async def test_one_of_several_concurrent_claims_succeeds(self, new_store: NewStore) -> None:
        """Commands that claim one value at the same time: one has it, and the others are refused with a typed error."""
        missing, complete = 6, anyio.Event()

        async def gather() -> None:
            nonlocal missing
            missing -= 1
            if missing == 0:
                complete.set()
            await complete.wait()

        async with new_store([]) as store, running(store, claims(gather), work=False) as app:
            found = await outcomes(app, *[Claim(owner=f"{number}") for number in range(6)])
            assert found == {"success": 1, "ValueTaken": 5}

    async def test_the_error_names_the_scope_alone(self, new_store: NewStore) -> None:
        """The error of a taken value contains neither the value nor its owner."""
        async with new_store([]) as store, running(store, claims(), work=False) as app:
            await app.dispatch(Claim(value="ada@example.org", owner="ada-1815"))
            with pytest.raises(ValueTaken, match="'email'") as caught:
                await app.dispatch(Claim(value="ada@example.org", owner="b"))
            assert caught.value.scope == "email"
            assert "ada" not in str(caught.value)

    async def test_the_owner_claims_again(self, new_store: NewStore) -> None:
        """A claim by the owner that has the value succeeds, and changes nothing."""
        async with new_store([]) as store, running(store, claims(), work=False) as app:
            for _ in range(2):
                await app.dispatch(Claim())
            assert await is_taken(app, by="a")

    async def test_a_failed_command_claims_nothing(self, new_store: NewStore) -> None:
        """A claim, a release and a transfer of a unit of work that rolls back have no effect."""
        async with new_store([]) as store, running(store, claims(), work=False) as app:
            with pytest.raises(Refused):
                await app.dispatch(Claim(fails=True))
            await app.dispatch(Claim(owner="b"))
            assert await is_taken(app, by="b")
            with pytest.raises(ValueTaken):
                await app.dispatch(Claim())

    async def test_a_released_value_can_be_claimed(self, new_store: NewStore) -> None:
        """After a release any owner can claim the value, also in the same unit of work. Others cannot release it."""
        async with new_store([]) as store, running(store, claims(), work=False) as app:
            await app.dispatch(Claim())
            assert not await app.dispatch(Release(owner="b"))
            assert await is_taken(app, by="a")
            assert await app.dispatch(Release())
            assert not await app.dispatch(Release())
            await app.dispatch(Claim(owner="b"))
            await app.dispatch(Move(owner="b", to="c"))
            assert await is_taken(app, by="c")

    async def test_a_transfer_needs_the_owner(self, new_store: NewStore) -> None:
        """Only the owner of a value transfers it. A free value cannot be transferred."""
        async with new_store([]) as store, running(store, claims(), work=False) as app:
            with pytest.raises(ValueNotHeld, match="'email'"):
                await app.dispatch(Transfer())
            await app.dispatch(Claim())
            await app.dispatch(Transfer())
            assert await is_taken(app, by="b")
            with pytest.raises(ValueNotHeld, match="'email'"):
                await app.dispatch(Transfer())

    async def test_values_are_compared_exactly(self, new_store: NewStore) -> None:
        """Values that differ in one character, in case, in a space or in their Unicode form are different values."""
        async with new_store([]) as store, running(store, claims(), work=False) as app:
            for number, value in enumerate(VALUES):
                await app.dispatch(Claim(value=value, owner=f"{number}"))
            for number, value in enumerate(VALUES):
                assert await is_taken(app, value, by=f"{number}")

    async def test_scopes_and_tenants_are_separate(self, new_store: NewStore) -> None:
        """Equal values of two scopes or two tenants are different values, wherever the border between them is."""
        async with new_store([]) as store, running(store, claims(), work=False) as app:
            await app.dispatch(Claim(scope="s", value="tv"))
            await app.dispatch(Claim(scope="st", value="v", owner="b"))
            await app.dispatch(Claim(scope="other", value="tv", owner="b"))
            for tenant, owner in (("t", "c"), ("T", "d"), ("ts", "e")):
                async with app.session(tenant=tenant) as session:
                    await session.dispatch(Claim(scope="s", value="tv", owner=owner))
                    with pytest.raises(ValueTaken):
                        await session.dispatch(Claim(scope="s", value="tv", owner="other"))

    async def test_values_that_are_no_text_are_refused(self, new_store: NewStore) -> None:
        """An empty value, half of a surrogate pair, and an owner that no store can keep are refused by the core."""
        wrong = (
            Claim.model_construct(value="", owner="a", scope="s", fails=False),
            Claim.model_construct(value="\ud800", owner="a", scope="s", fails=False),
            Claim.model_construct(value=7, owner="a", scope="s", fails=False),
            Claim(owner=""),
            Claim(owner="o" * 201),
        )
        async with new_store([]) as store, running(store, claims(), work=False) as app:
            for command in wrong:
                with pytest.raises(InvalidKey):
                    await app.dispatch(command)

"""Views with other fields than in an earlier release of the application."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from twofold import Query, ReadModel, Router, View, on
from twofold.errors import UnreadableRow

from .._domain.audit import deposits, running, settled
from .._domain.bank import Opened
from .._tools.hooked import Call, Hooked
from .._tools.in_time import until
from .._tools.opened import NewStore
from .changed_projections import is_refused, problems


class Plain(View, name="suite_fields", key="account_id"):
    account_id: str


class Owned(View, name="suite_fields", key="account_id"):
    account_id: str
    owner: str


class Noted(View, name="suite_fields", key="account_id"):
    account_id: str
    notes: tuple[str, ...] = ("default",)


class Every(View, name="suite_fields", key="account_id"):
    """Has the columns of all releases, as after a migration."""

    account_id: str
    owner: str
    notes: tuple[str, ...]


class GetAll(Query[tuple[dict[str, Any], ...]]):
    """Returns all rows, as their fields."""


PLAIN = {"a": {"account_id": "a"}}
OWNED = {each: {"account_id": each, "owner": f"owner of {each}"} for each in "abc"}
NOTED = {each: {"account_id": each, "notes": ("opened", each)} for each in "abc"}
DEFAULT = {"account_id": "a", "notes": ("default",)}


def release(view: type[View]) -> Router:
    """Return a release of a router with the projection "openings", which writes all fields of a view."""
    router = Router("openings")

    class Openings:
        def __init__(self, rows: ReadModel[Any]) -> None:
            self.rows = rows

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            values = {**OWNED[event.account_id], **NOTED[event.account_id]}
            await self.rows.put(view(**{name: values[name] for name in view.model_fields}))

    Openings.__init__.__annotations__["rows"] = ReadModel[view]  # type: ignore[valid-type]
    router.projection("openings")(Openings)

    async def get_all(query: GetAll, rows: ReadModel[Any]) -> tuple[dict[str, Any], ...]:
        return tuple(row.model_dump() for row in (await rows.find(order_by="account_id")).items)

    get_all.__annotations__["rows"] = ReadModel[view]  # type: ignore[valid-type]
    router.query_handler(GetAll, reads="openings")(get_all)
    return router


class ChangedFields:
    """The cases of `RebuildSuite` about fields that were added to views, or removed."""

    async def test_a_new_field_is_reported_until_the_rows_are_rebuilt(self, new_store: NewStore) -> None:
        """The rows of earlier events cannot be read without a required field. Health names the field and the command."""
        async with new_store([Every]) as store:
            async with running(store, release(Plain)) as app:
                await deposits(app, "a")
                await settled(app)
                assert await app.execute(GetAll()) == (PLAIN["a"],)
            for work in (False, True, True):
                async with running(store, release(Owned), work=work) as app:
                    (found,) = [each for each in await problems(app) if "ProjectionChanged" in each]
                    assert "the field suite_fields.owner" in found
                    assert "app.operations.rebuild('openings')" in found
                    with pytest.raises(UnreadableRow, match=r"'owner' is missing\. Rebuild the projection"):
                        await app.execute(GetAll())
            async with running(store, release(Owned)) as app:
                await deposits(app, "b")
                await settled(app)
                assert await problems(app) != []
                await app.operations.rebuild("openings")
                assert await app.execute(GetAll()) == (OWNED["a"], OWNED["b"])
                assert await problems(app) == []
            async with running(store, release(Owned)) as app:
                assert await problems(app) == []

    async def test_a_new_field_has_its_default_until_the_rows_are_rebuilt(self, new_store: NewStore) -> None:
        """Rows of earlier events are read with the default of a new field, and the projection is reported."""
        async with new_store([Every]) as store:
            async with running(store, release(Plain)) as app:
                await deposits(app, "a")
                await settled(app)
            async with running(store, release(Noted)) as app:
                await deposits(app, "b")
                await settled(app)
                assert await app.execute(GetAll()) == (DEFAULT, NOTED["b"])
                assert "the field suite_fields.notes" in "".join(await problems(app))
                await app.operations.rebuild("openings")
                assert await app.execute(GetAll()) == (NOTED["a"], NOTED["b"])
                assert await problems(app) == []

    async def test_a_new_field_without_earlier_events_needs_no_rebuild(self, new_store: NewStore) -> None:
        """If the projection has no event yet, no row lacks the field."""
        async with new_store([Every]) as store:
            async with running(store, release(Plain)) as app:
                await settled(app)
            async with running(store, release(Owned)) as app:
                await deposits(app, "a")
                await settled(app)
                assert await app.execute(GetAll()) == (OWNED["a"],)
                assert await problems(app) == []

    async def test_a_removed_field_that_returns_is_reported(self, new_store: NewStore) -> None:
        """A release without a field runs without any action. A later release with the field is reported."""
        async with new_store([Every]) as store:
            for view in (Owned, Plain):
                async with running(store, release(view)) as app:
                    await deposits(app, "a" if view is Owned else "b")
                    await settled(app)
                    assert await problems(app) == []
            async with running(store, release(Owned)) as app:
                assert "the field suite_fields.owner" in "".join(await problems(app))
                await app.operations.rebuild("openings")
                assert await app.execute(GetAll()) == (OWNED["a"], OWNED["b"])
                assert await problems(app) == []

    async def test_a_release_without_a_field_waits_for_the_other(self, new_store: NewStore) -> None:
        """While workers with a field run, a release without the field writes no row. Later, it takes the projection over."""
        tried = anyio.Event()

        async def claim(call: Call) -> Any:
            found = await call()
            tried.set()
            return found

        async with new_store([Every]) as store:
            async with running(store, release(Owned), lease=0.6) as one:
                await deposits(one, "a")
                await settled(one)
                hooked: Any = Hooked(store, "subscriptions.claim", claim)
                async with running(hooked, release(Plain), lease=0.6) as other:
                    await tried.wait()
                    await deposits(other, "b")
                    await settled(other)
                    assert await one.execute(GetAll()) == (OWNED["a"], OWNED["b"])
                    assert [*await problems(one), *await problems(other)] == []
            async with running(store, release(Plain)) as other:
                await deposits(other, "c")
                await settled(other)
                assert await problems(other) == []
            async with running(store, release(Owned), work=False) as one:
                assert "the field suite_fields.owner" in "".join(await problems(one))

    async def test_an_earlier_release_writes_no_row_without_a_new_field(self, new_store: NewStore) -> None:
        """Both releases run the projection until a rebuild records the new field. Then the earlier one stops."""
        async with new_store([Every]) as store, running(store, release(Plain)) as old:
            await deposits(old, "a")
            await settled(old)
            async with running(store, release(Owned), work=False) as new:
                await deposits(new, "b")
                await settled(old)
                assert await problems(old) == []
                await new.operations.rebuild("openings")
                await until(lambda: is_refused(old), "the earlier release was to stop")
                await deposits(old, "c")
            async with running(store, release(Owned)) as new:
                await settled(new)
                assert await new.execute(GetAll()) == (OWNED["a"], OWNED["b"], OWNED["c"])
                assert await problems(new) == []
                assert await is_refused(old)

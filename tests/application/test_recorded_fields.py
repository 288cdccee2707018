"""Records of earlier releases, which had the names of views and no fields."""

from __future__ import annotations

import json
from dataclasses import replace

from twofold.ports import Checkpoint, WriteStore
from twofold.testing.conformance._applications.changed_fields import OWNED, Every, GetAll, Owned, Plain, release
from twofold.testing.conformance._applications.changed_projections import problems
from twofold.testing.conformance._domain.audit import deposits, running, settled
from twofold.testing.conformance._tools.opened import writing


def without_fields(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint as an earlier release recorded it."""
    views, events = json.loads(checkpoint.contents)
    return replace(checkpoint, contents=json.dumps([[view.partition(" ")[0] for view in views], events]))


async def forget_fields(store: WriteStore) -> None:
    """Replace the record by one of an earlier release."""
    leases = await store.subscriptions.claim("openings", "a", seconds=60, limit=9, force=True)
    stored = [without_fields(each.checkpoint) for each in await store.subscriptions.partitions("openings")]
    async with writing(store) as transaction:
        await transaction.checkpoints.divide("openings", stored, leases=leases)


async def test_the_first_start_records_the_fields(store: WriteStore) -> None:
    """Rows without recorded fields are taken for complete. A field that a later release adds is reported."""
    await store.create_schema([Every])
    async with running(store, release(Plain)) as app:
        await deposits(app, "a")
        await settled(app)
    await forget_fields(store)
    for _ in range(2):
        async with running(store, release(Plain), work=False) as app:
            assert "ProjectionChanged" not in "".join(await problems(app))
    async with running(store, release(Owned), work=False) as app:
        assert "the field suite_fields.owner" in "".join(await problems(app))


async def test_a_rebuild_records_the_fields(store: WriteStore) -> None:
    """A rebuild replaces a record without fields by one with fields."""
    async with running(store, release(Owned)) as app:
        await deposits(app, "a")
        await settled(app)
        await forget_fields(store)
        await app.operations.rebuild("openings")
        assert await app.execute(GetAll()) == (OWNED["a"],)
        (stored,) = await store.subscriptions.partitions("openings")
    assert "suite_fields account_id owner" in stored.checkpoint.contents

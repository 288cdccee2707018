"""Classes with one field of a given type, for every way into a store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import new_class
from typing import Any

from twofold import (
    Aggregate,
    Application,
    Cache,
    Clock,
    Command,
    Event,
    Query,
    Repository,
    Scheduler,
    UnitOfWork,
    View,
    on,
)

from .value_samples import Sample, samples

_CACHED = Cache(ttl=60, negative_ttl=60, key="{sample}")


class Begun(Event, name="values.begun"):
    """An aggregate was created."""

    sample: int


@dataclass(frozen=True)
class Family:
    """The classes for one type of field.

    Attributes:
        event: an event.
        state: a state-stored aggregate.
        snapshot: an event-sourced aggregate with a snapshot after each event.
        row: a view.
        later: a command with the field, which is scheduled.
        answer: a command whose result has the type.
        ask: a query whose answer has the type.
        write: a command that stores a sample in a way.
        read: a command whose handler returns the value of an aggregate that was written in a way.
    """

    event: Any
    state: Any
    snapshot: Any
    row: Any
    later: Any
    answer: Any
    ask: Any
    write: Any
    read: Any


@cache
def families() -> dict[str, Family]:
    """Return the classes by the field of their samples."""
    fields = dict.fromkeys(sample.field for sample in samples())
    return {field: _family(number, field) for number, field in enumerate(fields)}


def state_of(aggregate_type: Any, sample: Sample) -> Any:
    """Return a new aggregate with a value."""
    return aggregate_type.begin(Begun(sample=samples().index(sample)))


def row_of(family: Family, sample: Sample) -> Any:
    """Return a row with a value."""
    return family.row(id=samples().index(sample), value=sample.value)


def application(store: Any, arrived: dict[int, Any], **options: Any) -> Application:
    """Return an application that stores samples.

    Args:
        store: the store.
        arrived: filled with the values of commands that were scheduled or sent, by the number of their sample.
        options: further options of `Application`. With a cache, answers are cached.
    """
    found = families().values()
    app = Application("values", write=store, event_sourced=[each.snapshot for each in found], **options)
    for family in found:
        _register(app, family, arrived)
        app.query_handler(family.ask, cache=_CACHED if "cache" in options else None)(_asked(family))
    return app


def _asked(family: Family) -> Any:
    async def ask(query: Any) -> Any:
        return samples()[query.sample].value

    ask.__annotations__["query"] = family.ask
    return ask


def _register(app: Application, family: Family, arrived: dict[int, Any]) -> None:
    async def write(
        command: Any, states: Any, snapshots: Any, unit: UnitOfWork, scheduler: Scheduler, clock: Clock
    ) -> None:
        sample = samples()[command.sample]
        match command.way:
            case "event":
                unit.record(family.event(value=sample.value), stream=f"sample-{command.sample}")
            case "state":
                await states.add(state_of(family.state, sample))
            case "snapshot":
                await snapshots.add(family.snapshot.begin(Begun(sample=command.sample)))
            case _:
                await scheduler.schedule(family.later(sample=command.sample, value=sample.value), at=clock.now())

    async def read(command: Any, states: Any, snapshots: Any) -> Any:
        return (await (states if command.way == "state" else snapshots).get(command.sample)).value

    async def later(command: Any) -> None:
        arrived[command.sample] = command.value

    async def answer(command: Any) -> Any:
        return samples()[command.sample].value

    repositories = {name: _generic(Repository, getattr(family, name[:-1])) for name in ("states", "snapshots")}
    for handler, message in (
        (write, family.write),
        (read, family.read),
        (later, family.later),
        (answer, family.answer),
    ):
        kinds = {"command": message, "unit": UnitOfWork, "scheduler": Scheduler, "clock": Clock, **repositories}
        handler.__annotations__ = {name: kinds.get(name, Any) for name in handler.__annotations__}
        app.command_handler(message)(handler)


def _generic(kind: Any, argument: Any) -> Any:
    return kind[argument]


def _family(number: int, field: str) -> Family:
    annotation = next(sample.annotation for sample in samples() if sample.field == field)

    def new(base: Any, word: str, options: dict[str, Any], **fields: Any) -> Any:
        def body(namespace: dict[str, Any]) -> None:
            namespace |= {"__annotations__": fields, "__module__": __name__, "__doc__": f"A {word}."}

        return new_class(f"{word.title()}{number}", (base,), options, body)

    def begun(self: Any, event: Begun) -> None:
        self.id, self.value = event.sample, samples()[event.sample].value

    def state(namespace: dict[str, Any]) -> None:
        namespace |= {
            "__annotations__": {"id": int, "value": annotation},
            "__module__": __name__,
            "__doc__": "A state.",
        }
        namespace["begun"] = on(Begun)(begun)

    begun.__annotations__ = {"event": Begun, "return": None}
    snapshot = {"name": f"values_snapshot_{number}", "snapshot_every": 1}
    return Family(
        event=new(Event, "event", {"name": f"values.event_{number}"}, value=annotation),
        state=new_class(f"State{number}", (Aggregate,), {"name": f"values_state_{number}"}, state),
        snapshot=new_class(f"Snapshot{number}", (Aggregate,), snapshot, state),
        row=new(View, "row", {"name": f"values_row_{number}", "key": "id"}, id=int, value=annotation),
        later=new(Command[None], "later", {"name": f"values.later_{number}"}, sample=int, value=annotation),
        answer=new(_generic(Command, annotation), "answer", {"name": f"values.answer_{number}"}, sample=int),
        ask=new(_generic(Query, annotation), "ask", {"name": f"values.ask_{number}"}, sample=int),
        write=new(Command[None], "write", {}, sample=int, way=str),
        read=new(Command[Any], "read", {}, sample=int, way=str),
    )

"""The conditions that must hold after a run, whatever has failed during it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.shop import SUBSCRIPTIONS, TILLS, Balance, Owner, Sale, Till, longer
from tests.crash.stores import Stores
from twofold import View
from twofold.ports import START, Ordering, ReadStore, Selection, StoredEvent, WriteStore


@dataclass
class Expectation:
    """The expected rows and states, computed from the log by plain code."""

    balances: dict[str, Balance] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)
    tills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TILLS, 0))
    rewards: Counter[str] = field(default_factory=Counter)
    sales: list[str] = field(default_factory=list)
    deposits: list[str] = field(default_factory=list)
    commands: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, data: dict[str, Any]) -> None:
        """Apply the next event of the log."""
        match name:
            case "shop.opened":
                self.balances[data["account"]] = Balance(account=data["account"], openings=1)
            case "shop.booked":
                account, owner, by = data["account"], data["owner"], data["by"]
                row = self.balances[account]
                changes = {"bookings": row.bookings + 1, "balance": row.balance + data["amount"]}
                self.balances[account] = row.model_copy(update=changes)
                trail = self.owners[owner].trail if owner in self.owners else ""
                self.owners[owner] = Owner(owner=owner, trail=longer(trail, f"{account} {by}"))
                self.commands[by] += 1
                if not by.startswith(("reward of", "interest of")) and data["amount"] > 0:
                    self.deposits.append(by)
            case "shop.taken":
                self.tills[data["till"]] += data["amount"]
            case "shop.sold":
                self.sales.append(data["sale"])
            case "shop.rewarded":
                self.rewards[data["sale"]] += 1
            case _:
                pass


async def faults(stores: Stores, journals: Iterable[Path], steps: Path) -> list[str]:
    """Return descriptions of all faults; an empty result if there are none.

    Args:
        stores: the stores, with every subscription settled.
        journals: the results that the writers received.
        steps: the steps that the workers have committed.
    """
    store = stores.write
    log = await _log(store)
    expected = Expectation()
    for event in log:
        expected.add(event.name, json.loads(event.data))
    found = [*_log_faults(log), *_command_faults(expected, journals), *_step_faults(steps)]
    found += await _row_faults(stores.read, Balance, expected.balances)
    found += await _row_faults(stores.read, Owner, expected.owners)
    found += await _state_faults(store, expected)
    found += await _subscription_faults(stores)
    found += [f"{each.id} is scheduled still: {each.reason}" for each in await store.schedule.next(limit=9)]
    found += [f"{each.id} is stuck: {each.reason}" for each in await store.schedule.stuck(limit=9)]
    return found


async def _log(store: WriteStore) -> Sequence[StoredEvent]:
    found: list[StoredEvent] = []
    position = START
    while (page := await store.log.read_all(after=position)).last > position:
        found.extend(page.events)
        position = page.last
    return found


def _log_faults(log: Sequence[StoredEvent]) -> list[str]:
    """Positions ascend, each stream is numbered without gaps, and both sides of a sale are there or neither is."""
    found: list[str] = []
    versions: Counter[str] = Counter()
    for before, event in zip([None, *log], log, strict=False):
        if before is not None and before.position >= event.position:
            found.append(f"position {event.position} comes behind {before.position}")
        versions[event.stream] += 1
        if versions[event.stream] != event.version:
            found.append(f"{event.stream} has version {event.version} where {versions[event.stream]} was expected")
    parts: dict[str, set[str]] = defaultdict(set)
    for event in log:
        data = json.loads(event.data)
        parts[data.get("by", "")].add(event.name)
    wholes = ({"shop.booked"}, {"shop.booked", "shop.taken", "shop.sold"}, {"shop.booked", "shop.rewarded"})
    found += [
        f"of command {by!r} only {sorted(names)} is there" for by, names in parts.items() if by and names not in wholes
    ]
    return found


def _command_faults(expected: Expectation, journals: Iterable[Path]) -> list[str]:
    """Every answered command is in the log, none is in it twice, each sale was rewarded once, each deposit bore interest."""
    answered = [line for journal in journals if journal.exists() for line in journal.read_text().splitlines()]
    found = [f"command {by} was answered and is not in the log" for by in answered if not expected.commands[by]]
    found += [f"command {by} is in the log {times} times" for by, times in expected.commands.items() if times > 1]
    times = {sale: expected.rewards[sale] for sale in expected.sales}
    found += [f"sale {sale} was rewarded {count} times" for sale, count in times.items() if count != 1]
    borne = {by: expected.commands[f"interest of {by}"] for by in expected.deposits}
    return found + [f"deposit {by} bore interest {count} times" for by, count in borne.items() if count != 1]


def _step_faults(steps: Path) -> list[str]:
    """Check that no worker moves a partition after another worker has taken it over, and that none moves it backwards.

    A worker records a step after committing it, so the steps of one generation are in order.
    """
    found: list[str] = []
    last: dict[tuple[str, int], tuple[int, int]] = {}
    lines = steps.read_text().splitlines() if steps.exists() else []
    for subscription, partition, generation, position in sorted(map(json.loads, lines), key=lambda step: step[:3]):
        before, there = last.get((subscription, partition), (0, 0))
        if position <= there:
            step = f"{subscription}, partition {partition}: generation {generation} moved to {position}"
            found.append(f"{step} behind generation {before} at {there}")
        last[subscription, partition] = generation, position
    return found


async def _row_faults(store: ReadStore, view: type[View], expected: dict[str, Any]) -> list[str]:
    transaction = await store.begin(read_only=True)
    try:
        rows = await transaction.rows(view).select(Selection(order_by=(Ordering(view.view_key),)))
    finally:
        await transaction.rollback()
    found = {str(row.key): row for row in rows}
    return [
        f"{view.__name__} {key} is {found.get(key)}, expected {expected.get(key)}"
        for key in sorted({*found, *expected})
        if found.get(key) != expected.get(key)
    ]


async def _state_faults(store: WriteStore, expected: Expectation) -> list[str]:
    found: list[str] = []
    transaction = await store.begin(read_only=True)
    try:
        for till, total in expected.tills.items():
            loaded = await transaction.state(Till).load(till)
            if loaded is None or loaded.aggregate.total != total:  # type: ignore[attr-defined]
                found.append(f"till {till} is {loaded}, expected {total}")
        for sale in expected.sales:
            kept = await transaction.state(Sale).load(sale)
            if kept is None or (kept.version, kept.aggregate.rewards) != (2, 1):  # type: ignore[attr-defined]
                found.append(f"sale {sale} is {kept}")
    finally:
        await transaction.rollback()
    return found


async def _subscription_faults(stores: Stores) -> list[str]:
    """Every partition stands at the head of the log, and nothing is parked."""
    found: list[str] = []
    head = await stores.write.log.head()
    for name in SUBSCRIPTIONS:
        store = stores.of(name)
        found += [f"{name} has parked {each}" for each in await store.parked.read(name)]
        partitions = await store.subscriptions.partitions(name)
        found += [] if partitions else [f"{name} has never run"]
        for partition in partitions:
            if partition.checkpoint.position < head or partition.checkpoint.parked:
                found.append(f"{name} has {partition}, the head is {head}")
    return found

"""How values are shown: numbers, times, durations, JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from twofold import Health, SubscriptionStatus


class Condition(NamedTuple):
    """The condition of a subscription in one word, and how urgent it is: "ok", "warning", "critical" or "note"."""

    word: str
    tone: str


def condition(status: SubscriptionStatus, health: Health) -> Condition:
    """Return the condition of a subscription in all processes."""
    found = [each for each in health.problems if each.subject == status.name]
    tones = {each.severity for each in found}
    if status.overall != "running":
        return Condition(status.overall, {"paused": "note", "inline": "ok"}.get(status.overall, "critical"))
    if "critical" in tones:
        return Condition("failing", "critical")
    if status.parked:
        return Condition("parked events", "warning")
    if any(each.code == "process_stuck" for each in found):
        return Condition("stuck", "warning")
    if tones:
        return Condition("lagging", "warning")
    return Condition("retrying", "warning") if status.retrying else Condition("running", "ok")


def number(value: float) -> str:
    """Return a number with thousands separators; a fraction below 10 has one decimal."""
    if value < 10 and value != int(value):
        return f"{value:.1f}"
    return f"{round(value):,}"


def duration(seconds: float | None) -> str:
    """Return a duration in one or two units."""
    if seconds is None:
        return "unknown"
    if seconds < 1:
        return "0 s" if seconds <= 0 else f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    whole, parts = int(seconds), list[str]()
    for unit, size in units:
        if whole >= size or parts:
            parts.append(f"{whole // size} {unit}")
            whole %= size
    return " ".join(part for part in parts[:2] if not part.startswith("0 "))


def moment(time: datetime | None) -> str:
    """Return a time in UTC to the millisecond."""
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def clock_time(time: datetime) -> str:
    """Return the time of the day in UTC to the millisecond."""
    return time.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]


def until(time: datetime | None, now: datetime) -> str:
    """Return how far a time is from now, such as "in 5 min" or "5 min ago"."""
    if time is None:
        return ""
    seconds = (time - now).total_seconds()
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"


def pretty(value: Any) -> str:
    """Return a value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def compact(value: Any) -> str:
    """Return a value as JSON in one line, at most 200 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:199]}…"


def words(name: str) -> str:
    """Return a kind as words."""
    return name.replace("_", " ")

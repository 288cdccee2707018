"""The hash of a command's fields, by which a reused idempotency key is found."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import anyio
import pytest
from pydantic import BaseModel, Field, PlainSerializer, PlainValidator, SecretStr

from twofold import Command
from twofold._encoding import fingerprint as fingerprints
from twofold._encoding.fingerprint import fingerprint as fingerprint_of


def fingerprint(command: Command[Any]) -> str:
    """Return the fingerprint of a command that is dispatched with a key."""
    return anyio.run(fingerprint_of, command, "k")


class Tag(BaseModel):
    name: str


class File(Command[None]):
    """A payload of many types."""

    tags: frozenset[str] = frozenset()
    weights: Mapping[str, float] = Field(default_factory=dict)
    tag: Tag | None = None
    content: bytes = b""


class LongTag(Tag):
    more: str


class Part(BaseModel):
    number: int = Field(exclude=True)


class Sign(Command[None]):
    """A command with a short secret."""

    pin: SecretStr


def test_fingerprints_tell_payloads_apart() -> None:
    """Equal payloads have equal hashes whatever their order; every difference counts, in fields of subclasses too."""
    same = [
        File(tags=frozenset(order), weights=dict(pairs))
        for order, pairs in (("abc", [("x", 1.0), ("y", 2.0)]), ("cba", [("y", 2.0), ("x", 1.0)]))
    ]
    assert len({fingerprint(each) for each in same}) == 1
    different = [
        *same[:1],
        File(),
        File(tags=frozenset(["a,b"])),
        File(tags=frozenset(["a", "b"])),
        File(weights={"x": float("nan")}),
        File(tag=Tag(name="n")),
        File(tag=LongTag(name="n", more="m")),
        File(tag=LongTag(name="n", more="o")),
        File(content=b"\xff"),
    ]
    assert len({fingerprint(each) for each in different}) == len(different)


class Upload(Command[None]):
    """A payload of which JSON shows little."""

    name: str
    size: int = Field(default=0, exclude=True)
    owner: Annotated[str, PlainSerializer(lambda _: "***")] = ""
    point: Annotated[complex, PlainValidator(complex), PlainSerializer(str)] = 0j
    parts: tuple[Part, ...] = ()


def test_fields_that_json_leaves_out_count() -> None:
    """Commands that differ only in a field that is excluded, masked, or nested in another model are two commands."""
    different = [
        Upload(name="a"),
        Upload(name="a", size=1),
        Upload(name="a", owner="ada"),
        Upload(name="a", point=1j),
        Upload(name="a", parts=(Part(number=1),)),
        Upload(name="a", parts=(Part(number=2),)),
    ]
    assert len({fingerprint(each) for each in different}) == len(different)
    assert fingerprint(Upload(name="a", point=1j)) == fingerprint(Upload(name="a", point=1j))


@pytest.mark.parametrize("command", [Upload(name="a"), Sign(pin=SecretStr("1234"))], ids=["fields", "secret"])
def test_each_key_has_hashes_of_its_own(command: Command[Any]) -> None:
    """The hash of a command says nothing about the hashes of the same command with other keys, or without a key."""
    hashes = {anyio.run(fingerprint_of, command, key) for key in ("k", "l", "a\0k")}
    assert len(hashes) == 3
    assert all(len(each) == 64 for each in hashes)


def test_a_guess_at_a_secret_is_slow() -> None:
    """A command with a secret is hashed by a function that takes memory and time, so that few guesses can be tried."""
    slow = hashlib.scrypt(b'{"pin":"1234"}', salt=b"k", n=4096, r=8, p=1, dklen=32)
    assert fingerprint(Sign(pin=SecretStr("1234"))) == slow.hex()


async def test_a_slow_hash_runs_in_a_worker_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a command with a secret is hashed, the event loop continues."""
    threads: list[int] = []

    def slow(*_: object, **__: object) -> bytes:
        threads.append(threading.get_ident())
        return b""

    monkeypatch.setattr(fingerprints, "scrypt", slow)
    await fingerprint_of(Sign(pin=SecretStr("1234")), "k")
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


class Price(Command[None]):
    amount: Decimal
    at: datetime


def test_fingerprints_are_those_of_values() -> None:
    """A repeat that writes an equal amount or the same instant in another way is the same command."""
    noon = datetime(2024, 6, 1, 12, tzinfo=UTC)
    one = Price(amount=Decimal("1.5"), at=noon)
    assert fingerprint(one) == fingerprint(
        Price(amount=Decimal("1.50"), at=noon.astimezone(timezone(timedelta(hours=5))))
    )
    assert fingerprint(one) != fingerprint(Price(amount=Decimal("1.51"), at=noon))
    early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    assert fingerprint(Price(amount=Decimal("1e-40"), at=early)) != fingerprint(one)


def test_fingerprints_are_the_same_in_every_process() -> None:
    """The order of a set differs between processes; the hash of a command that holds one does not."""
    code = (
        "from tests.application.test_fingerprints import File, fingerprint;"
        "print(fingerprint(File(tags=frozenset(map(str, range(50))))))"
    )
    root = Path(__file__).resolve().parents[2]
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, cwd=root, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert printed == {f"{fingerprint(File(tags=frozenset(map(str, range(50)))))}\n".encode()}

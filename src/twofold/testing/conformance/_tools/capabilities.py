"""The limits of an adapter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The cases of the suites that apply to an adapter. The defaults describe a complete adapter.

    Attributes:
        several_writers: whether two transactions can have uncommitted writes at the same time. If not, the cases that
            need
            both run them one after the other.
        savepoints: whether `savepoint` undoes the writes of its block.
        one_state: whether all reads of a read-only transaction see one state of the store. If not, each single read
            does.
        inline: whether projections can be applied in the transaction of a command: rows and events are in one store.
        returns_unroutable: whether a broker reports messages without a receiver.
        begins_at_the_beginning: whether a new consumer can receive messages from before its declaration.
    """

    several_writers: bool = False
    savepoints: bool = True
    one_state: bool = True
    inline: bool = True
    returns_unroutable: bool = True
    begins_at_the_beginning: bool = True

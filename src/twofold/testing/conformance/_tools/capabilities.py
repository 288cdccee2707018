"""What an adapter cannot do, said in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Which cases of the suites apply to an adapter; the defaults are what a full adapter does.

    Attributes:
        several_writers: whether two transactions can hold writes open at the same time. Where writers take turns, the
            cases that need both open are run one after the other.
        savepoints: whether `savepoint` undoes what was written inside.
        one_state: whether all that a read-only transaction reads is one state of the store. Where it is not, each single
            read still is.
        inline: whether projections can be applied in the transaction of a command: rows and events are in one store.
        exact_decimals: whether decimals of more than 15 significant digits are compared exactly.
        returns_unroutable: whether a broker says that a message has no receiver.
        begins_at_the_beginning: whether a new consumer can get messages from before its declaration.
    """

    several_writers: bool = False
    savepoints: bool = True
    one_state: bool = True
    inline: bool = True
    exact_decimals: bool = True
    returns_unroutable: bool = True
    begins_at_the_beginning: bool = True

"""Middleware with and without the envelope. Checked by `make check`; never executed."""

from __future__ import annotations

from typing import Any

from twofold import Application, Command, CommandBus, Envelope
from twofold.middleware import CallNext, logging
from twofold_memory import InMemory


async def traced(message: Any, call_next: CallNext, envelope: Envelope) -> Any:
    return await call_next(message)


async def of_commands(message: Command[Any], call_next: CallNext, envelope: Envelope[Any]) -> Any:
    return await call_next(message)


async def optional(message: Any, call_next: CallNext, envelope: Envelope[Any] | None = None) -> Any:
    return await call_next(message)


async def wrong(message: Any, call_next: CallNext, envelope: int) -> Any:
    return await call_next(message)


app = Application("typed", write=InMemory(), middleware=[logging(), traced, optional])
app.use(traced)
app.use(of_commands, on=Command, inside=True)
app.use(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
CommandBus(middleware=[optional, logging()])
CommandBus(middleware=[traced])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]

"""Operations on processes: list them, show one, and retry a compensation that is stuck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._background.log_lines import logger_of
from .._dispatch.scheduler import in_own_unit
from .._dispatch.scope import open_scope
from .._processes.inputs import RetryRequested, stream_of_process
from .._processes.status import ProcessStatus, status_of
from ..ports.processes import ProcessState
from .operating import Operating, check_number

logger = logger_of("twofold.operations")

_LARGEST_LIST = 1_000


class ProcessOperations(Operating):
    """The operations on processes."""

    async def processes(
        self,
        name: str | None = None,
        *,
        state: ProcessState | None = None,
        after: tuple[str, str] | None = None,
        limit: int = 100,
    ) -> Sequence[ProcessStatus]:
        """Return processes in the order of their names and keys. Ended ones are included until they are deleted.

        Args:
            name: the name of a process class; None for all.
            state: the state; None for all.
            after: the name and the key of the last process of the page before.
            limit: the maximum number, from 1 to 1,000.
        """
        check_number("list processes", "limit", limit, 1, _LARGEST_LIST)
        store = self._running().parts.write
        found = await store.processes.list(process=name, state=state, after=after, limit=limit)
        return [status_of(each) for each in found]

    async def process(self, name: str, key: str) -> ProcessStatus:
        """Return the last process of a key.

        Raises:
            LookupError: there is none.
        """
        found = await self._running().parts.write.processes.get(name, key)
        if found is None:
            raise LookupError(
                f"there is no process {name!r} with the key {key!r}. It has not started, or it has ended and was deleted. "
                "app.operations.processes() lists the processes."
            )
        return status_of(found)

    async def process_counts(self) -> Mapping[tuple[str, ProcessState], int]:
        """Return the number of processes by name and state."""
        return await self._running().parts.write.processes.counts()

    async def retry_process(self, name: str, key: str) -> bool:
        """Retry the compensation at which a process is stuck, with all its attempts.

        Returns:
            Whether a compensation was stuck.

        Raises:
            LookupError: there is no such process.
        """
        status, running = await self.process(name, key), self._running()
        if status.state != "compensation_stuck":
            return False
        event = RetryRequested(process=name, key=key, incarnation=status.incarnation)
        scope = open_scope(running.assembly.services, None)

        async def record(_: object) -> None:
            scope.unit_of_work().record(event, stream=stream_of_process(name, key))

        await in_own_unit(scope, record)
        running.assembly.services.committed.send()
        logger.info("process %s %r: an operator retries the compensation", name, key)
        return True

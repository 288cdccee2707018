"""Processes as a store keeps them: the fields as JSON of a version, and the rest beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from .._background.failures import as_exception, description
from .._definitions.position import Position
from .._definitions.process import Process
from .._encoding.lossy import LossyError
from .._encoding.misfits import misfits_without_values
from .._encoding.round_trip import RoundTrip
from ..errors import NotStorable, UndecodableProcess
from ..ports.processes import ENDED, ProcessRecord
from .instance import Instance, Progress


class ProcessRecords:
    """Encode and decode the processes of one class.

    Args:
        process: the class.
        upcasters: the upcasters of the application, by name and version.
    """

    def __init__(
        self, process: type[Process], upcasters: Mapping[tuple[str, int], Callable[[Mapping[str, Any]], Any]]
    ) -> None:
        self._process = process
        self._upcasters = upcasters
        self._fields: RoundTrip[Process] = RoundTrip(process)

    def encode(self, instance: Instance, position: Position, time: datetime) -> ProcessRecord:
        """Return the record of a process.

        Raises:
            NotStorable: a field does not fit its annotation, has no JSON, or would come back changed.
        """
        try:
            data = self._fields.encode(instance.fields)
        except LossyError as lossy:
            name = self._process.__name__
            raise NotStorable(
                f"cannot store the process {name} {instance.key}: {lossy} Nothing was written."
            ) from lossy
        return ProcessRecord(
            process=self._process.process_name,
            key=instance.key,
            incarnation=instance.incarnation,
            state=instance.state,
            schema=self._process.process_version,
            data=data,
            progress=instance.progress.model_dump_json(),
            reason=instance.reason,
            position=position,
            time=time,
        )

    def decode(self, record: ProcessRecord) -> Instance:
        """Return the process of a record. The fields of a process that has ended are left out: nothing uses them.

        Raises:
            UndecodableProcess: the class refuses the fields, or an upcaster is missing or fails.
        """
        try:
            has_ended = record.state in ENDED
            fields = self._process.model_construct() if has_ended else self._fields.decode(self._upcast(record))
            progress = Progress.model_validate_json(record.progress)
        except UndecodableProcess:
            raise
        except BaseException as raised:  # noqa: BLE001 -- raised as the error of the caller
            error = as_exception(raised)
            why = misfits_without_values(error) if isinstance(error, ValidationError) else description(error)
            raise self._undecodable(
                record,
                f"the class refuses its data: {why}. Restore the field, or raise the version and add an upcaster",
            ) from None
        return Instance(record.key, record.incarnation, fields, record.state, progress, record.reason)

    def _upcast(self, record: ProcessRecord) -> str:
        wanted = self._process.process_version
        if record.schema == wanted:
            return record.data
        if record.schema > wanted:
            raise self._undecodable(record, f"this application has version {wanted}. Deploy the newer release here too")
        fields = json.loads(record.data)
        for version in range(record.schema, wanted):
            upcaster = self._upcasters.get((record.process, version))
            if upcaster is None:
                raise self._undecodable(
                    record,
                    f"there is no upcaster from version {version}. Add one with @app.upcaster({record.process!r}, "
                    f"from_version={version})",
                )
            fields = upcaster(fields)
        return json.dumps(fields)

    def _undecodable(self, record: ProcessRecord, why: str) -> UndecodableProcess:
        return UndecodableProcess(
            f"cannot read the process {record.process} {record.key!r} version {record.schema}: {why}. Then retry the parked "
            "event."
        )

"""The transport: published messages reach every consumer of their topic, in order, until they are settled."""

from __future__ import annotations

from .transport_parking import ParkingCases
from .transport_publishing import PublishingCases
from .transport_receiving import ReceivingCases
from .transport_sharing import SharingCases


class TransportSuite(PublishingCases, ReceivingCases, SharingCases, ParkingCases):
    """The promises of a broker about messages. Needs the fixtures `new_broker` and `capabilities`.

    `new_broker` opens an empty broker and returns a function that connects to it. Each call returns an open transport,
    as
    another process would have it. The transport is closed with the broker.
    """

"""The transport: what is published arrives at everybody who asked for it, in order, until it is settled."""

from __future__ import annotations

from .transport_parking import ParkingCases
from .transport_publishing import PublishingCases
from .transport_receiving import ReceivingCases
from .transport_sharing import SharingCases


class TransportSuite(PublishingCases, ReceivingCases, SharingCases, ParkingCases):
    """What a broker does with messages. Needs the fixtures `new_broker` and `capabilities`.

    `new_broker` opens a broker on which there is nothing, and gives a function that connects to it: each call returns a
    transport that is open, as another process would have it, and that is closed with the broker.
    """

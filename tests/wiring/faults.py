"""Reading the faults of an application."""

from __future__ import annotations

import sys

import pytest

from tests.domains import orders
from tests.wiring import domain
from twofold import Application
from twofold.errors import WiringError

DOMAINS = {domain.__file__, orders.__file__}


def faults_of(app: Application) -> str:
    """Return the faults of an application, without their places. These are in the calling file or in a domain."""
    calling = sys._getframe(1).f_code.co_filename
    with pytest.raises(WiringError) as caught:
        app.check()
    assert all(fault.file in {calling, *DOMAINS} and fault.line for fault in caught.value.faults)
    return "\n".join(fault.message for fault in caught.value.faults)

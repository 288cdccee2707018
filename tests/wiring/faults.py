"""Reading the faults of an application."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from twofold import Application
from twofold.errors import WiringError

DOMAIN = str(Path(__file__).with_name("domain.py"))


def faults_of(app: Application) -> str:
    """Return the faults of an application, without their places. These are in the calling file or in the domain."""
    calling = sys._getframe(1).f_code.co_filename
    with pytest.raises(WiringError) as caught:
        app.check()
    assert all(fault.file in (calling, DOMAIN) and fault.line for fault in caught.value.faults)
    return "\n".join(fault.message for fault in caught.value.faults)

"""The decimals that every database compares exactly."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from twofold.errors import StorageError

WHOLE: Final = 35
"""The maximal number of digits before the decimal point. Together with `FRACTION`, the widest DECIMAL of MariaDB."""

FRACTION: Final = 30
"""The maximal number of digits after the decimal point."""


def check_decimal(value: Decimal) -> None:
    """Check that a decimal can be compared exactly.

    Raises:
        StorageError: it is not finite, or has too many digits.
    """
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -FRACTION or value.adjusted() >= WHOLE:
        raise StorageError(
            f"cannot store the decimal {value}: the limits are {WHOLE} digits before the decimal point and {FRACTION} after "
            "it. Round the decimal, or store it as a str."
        )

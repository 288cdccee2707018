"""What the error codes of MariaDB and MySQL mean."""

from __future__ import annotations

import re
from typing import Any, Final

from asyncmy.errors import DataError, IntegrityError, MySQLError

from .mysql_types import LONGEST_NAME

PRIMARY: Final = "PRIMARY"
"""What every primary key is called."""

_DUPLICATE: Final = {1062, 1586}

ENDED: Final = {
    *(1053, 1077, 1079, 1927, 4031),  # going down; the session was killed
    *(1158, 1159, 1160, 1161, 2002, 2003, 2006, 2013, 2014, 2045, 2055),  # network
}
"""The connection has ended. What became of the statement that was sent last, a COMMIT perhaps, is unknown."""

_TRANSIENT: Final = {
    *ENDED,
    *(1205, 1213, 1614, 3572),  # a lock that did not come, deadlock, NOWAIT
    *(1020, 1412),  # the row or the table has changed since the transaction began to look
    *(1317, 1969, 3024),  # killed, or taking longer than allowed
    *(1040, 1203, 1226, 1637),  # too many connections, or whatever else there is too much of
    1047,  # a node of a cluster that is not ready
}

_MISSING: Final = {1146, 1054}  # no such table, no such column

_UNFIT: Final = {
    *(1264, 1265, 1292, 1300, 1366, 1406),  # out of range, cut, of a wrong form, not in the character set, too long
    *(3819, 4025),  # a CHECK
    1153,  # larger than max_allowed_packet
}

_READ_ONLY: Final = 1792

_KEY: Final = re.compile(r"for key '(?:[^']*\.)?([^'.]*)'$")

_ADVICE: Final = {
    1264: "Integers have 64 bits; use a str or a Decimal for larger ones.",
    1071: "An index takes 3,072 bytes, four for each character of a text.",
    1142: "Grant what is missing to the account of the engine.",
    1419: "Let somebody with the right to do so run create_schema(), or set log_bin_trust_function_creators = 1.",
    1153: "Raise max_allowed_packet on the server.",
}


class MySQLErrors:
    """What a dialect says of errors."""

    def is_driver_error(self, error: BaseException) -> bool:
        """Recognise asyncmy's errors, and those of the network."""
        return isinstance(error, (MySQLError, OSError))

    def violated(self, error: BaseException) -> str | None:
        """Read `Duplicate entry '...' for key 'name'`; MySQL writes `table.name`."""
        orig = getattr(error, "orig", error)
        if code_of(orig) not in _DUPLICATE:
            return None
        found = _KEY.search(str(orig.args[-1]))
        return found[1] if found else "key"

    def is_transient(self, error: BaseException | None) -> bool:
        """Say yes to locks, deadlocks, and whatever concerns the connection or the server's load."""
        return isinstance(error, OSError) or code_of(error) in _TRANSIENT

    def is_refused_write(self, error: BaseException | None) -> bool:
        """Recognise `Cannot execute statement in a READ ONLY transaction`."""
        return code_of(error) == _READ_ONLY

    def is_missing_table(self, error: BaseException | None) -> bool:
        """Recognise an unknown table or column."""
        return code_of(error) in _MISSING

    def is_unfit(self, error: BaseException | None) -> bool:
        """Say yes to what a column does not take, to a constraint, and to what is too long for one statement."""
        return isinstance(error, (DataError, IntegrityError)) or code_of(error) in _UNFIT

    def advice(self, error: BaseException | None) -> str:
        """Return what to do about an error, where its text does not say."""
        code = code_of(error)
        if code == 1406:
            return f"A key, and a text in an index, has up to {LONGEST_NAME} characters."
        return _ADVICE.get(code, "")


def code_of(error: BaseException | None) -> int:
    """Return the number of an error, or 0."""
    args: tuple[Any, ...] = error.args if isinstance(error, MySQLError) else ()
    return args[0] if args and isinstance(args[0], int) else 0

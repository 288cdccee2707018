"""The meaning of asyncmy's errors and of the error codes of MariaDB and MySQL."""

from __future__ import annotations

import re
from typing import Any, Final

from asyncmy.errors import DataError, IntegrityError, MySQLError

from .columns import LONGEST_NAME

PRIMARY: Final = "PRIMARY"
"""The name of every primary key."""

_DUPLICATE: Final = {1062, 1586}

CONNECTION_LOST: Final = {
    *(1053, 1077, 1079, 1927, 4031),  # shutting down, session killed
    *(1158, 1159, 1160, 1161, 2002, 2003, 2006, 2013, 2014, 2045, 2055),  # network
}
"""The connection is lost. The outcome of the last statement, perhaps a COMMIT, is unknown."""

_NEVER_SENT: Final = 2006
"""asyncmy knew that the connection was closed, and sent nothing."""

_UNSURE: Final = {1180, 1317, 1969, 3024}
"""Error during COMMIT, query killed, execution time exceeded: the outcome of a COMMIT is unknown."""

_TRANSIENT: Final = {
    *CONNECTION_LOST,
    *(1205, 1213, 1614, 3572),  # lock wait timeout, deadlock, NOWAIT
    *(1020, 1412),  # the row or the table has changed since the transaction's snapshot
    *(1317, 1969, 3024),  # query killed, execution time exceeded
    *(1040, 1203, 1226, 1637),  # too many connections or transactions
    1047,  # a cluster's node is not ready
}

_MISSING: Final = {1146, 1054}  # no such table, no such column

_UNFIT: Final = {
    *(1264, 1265, 1292, 1300, 1366, 1406),  # out of range, truncated, malformed, not in the character set, too long
    *(3819, 4025),  # a CHECK constraint
    1153,  # larger than max_allowed_packet
}

_READ_ONLY: Final = 1792

_KEY: Final = re.compile(r"for key '(?:[^']*\.)?([^'.]*)'$")

_ADVICE: Final = {
    1264: "Integers have 64 bits. Use a str or a Decimal for larger numbers.",
    1071: "An index holds at most 3,072 bytes, four for each character of a text.",
    1142: "Grant the missing privilege to the engine's account.",
    1419: "Run create_schema() with an account that has the privilege SUPER, or set log_bin_trust_function_creators = 1.",
    1153: "Raise max_allowed_packet on the server.",
}


class MySQLErrors:
    """The `Errors` of asyncmy."""

    def is_driver_error(self, error: BaseException) -> bool:
        """Recognise asyncmy's errors and network errors."""
        return isinstance(error, (MySQLError, OSError))

    def violated_constraint(self, error: BaseException) -> str | None:
        """Read the constraint's name in `Duplicate entry '...' for key 'name'`. MySQL writes `table.name`."""
        original = getattr(error, "orig", error)
        if code_of(original) not in _DUPLICATE:
            return None
        found = _KEY.search(str(original.args[-1]))
        return found[1] if found else "key"

    def is_transient(self, error: BaseException | None) -> bool:
        """Recognise lock timeouts, deadlocks, and connection or resource errors."""
        return isinstance(error, OSError) or code_of(error) in _TRANSIENT

    def is_refused_commit(self, error: BaseException) -> bool:
        """Recognise an error code of the server. asyncmy's own codes begin with 2, and some codes end a COMMIT anywhere."""
        code = code_of(error)
        if self.is_unsent(error):
            return True
        return code >= 1000 and not 2000 <= code < 3000 and code not in CONNECTION_LOST | _UNSURE

    def is_unsent(self, error: BaseException | None) -> bool:
        """Recognise asyncmy's error for a closed connection."""
        return code_of(error) == _NEVER_SENT

    def is_read_only_error(self, error: BaseException | None) -> bool:
        """Recognise `Cannot execute statement in a READ ONLY transaction`."""
        return code_of(error) == _READ_ONLY

    def is_missing_table(self, error: BaseException | None) -> bool:
        """Recognise an unknown table or column."""
        return code_of(error) in _MISSING

    def is_invalid_value(self, error: BaseException | None) -> bool:
        """Recognise values that a column refuses, violated constraints, and statements that are too long."""
        return isinstance(error, (DataError, IntegrityError)) or code_of(error) in _UNFIT

    def advice(self, error: BaseException | None) -> str:
        """Return how to fix an error whose text does not say so."""
        code = code_of(error)
        if code == 1406:
            return f"A key, and a text in an index, has at most {LONGEST_NAME} characters."
        return _ADVICE.get(code, "")


def code_of(error: BaseException | None) -> int:
    """Return the code of an error, or 0."""
    args: tuple[Any, ...] = error.args if isinstance(error, MySQLError) else ()
    return args[0] if args and isinstance(args[0], int) else 0

"""The settings of a console."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from twofold.errors import ConfigurationError

SHORTEST_TOKEN = 20
"""The minimum number of characters of a token."""

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The access that a console gives.

    Args:
        token: the token that a person signs in with, at least 20 characters. Without a token, only clients on the loopback
            interface are served.
        read_only: whether every change is refused.
        hosts: the names, without ports, by which a browser may call the console. By default, the names of the loopback
            interface if there is no token, and every name if there is one.

    Raises:
        ConfigurationError: the token is too short, or other hosts are named without a token.
    """

    token: str | None = field(default=None, repr=False)
    read_only: bool = False
    hosts: Sequence[str] = ()
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False, init=False)

    def __post_init__(self) -> None:
        if isinstance(self.hosts, str):
            raise ConfigurationError(
                f"hosts={self.hosts!r} must be a sequence of host names, such as [{self.hosts!r}]."
            )
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise ConfigurationError(
                f"the token of the console is too short: it has {len(self.token)} characters, and needs at least "
                f"{SHORTEST_TOKEN}. Create one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        others = [each for each in self.hosts if not is_loopback(each)]
        if self.token is None and others:
            raise ConfigurationError(
                f"a console without a token serves the loopback interface only, not {', '.join(map(repr, others))}. Pass "
                f"a token of at least {SHORTEST_TOKEN} characters."
            )

    def allows_host(self, host: str) -> bool:
        """Return whether a browser may call the console by this `Host` header."""
        name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
        if self.hosts:
            return name.lower() in {each.lower() for each in self.hosts}
        return self.token is not None or name.lower() in _LOOPBACK_NAMES


def is_loopback(host: str) -> bool:
    """Return whether a host name or an address is that of the loopback interface."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

"""The command line of Twofold: `twofold --help`. It inspects, repairs and runs an application.

Exit codes: 0 for success; 1 for a finding, such as faults in the wiring, an unhealthy application, or events that failed
again; 2 for a wrong call; 3 for a failure, such as a store that does not answer.
"""

from twofold.errors import MissingDependency

try:
    import rich as _rich  # noqa: F401
    import typer as _typer  # noqa: F401
except ImportError as _error:
    raise MissingDependency("pip install 'twofold[cli]'") from _error

from ._main import cli, main

__all__ = ["cli", "main"]

"""`python -m twofold_cli` is the command `twofold`."""

from ._main import main

main()

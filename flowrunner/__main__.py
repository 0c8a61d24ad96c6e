"""The command `flow`: what needs no command is answered before anything is loaded."""

from __future__ import annotations

import sys

from flowrunner import __version__


def main() -> None:
    """Run `flow` with the arguments of this process."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"flow {__version__}")
        return
    # Loading the command line costs 80 ms, which --version need not pay.
    from flowrunner.cli.app import run

    run(sys.argv[1:])


if __name__ == "__main__":
    main()

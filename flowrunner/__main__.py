"""The command `flow`: what needs no command is answered before anything is loaded."""

from __future__ import annotations

import gc
import sys

from flowrunner import __version__


def main() -> None:
    """Run `flow` with the arguments of this process."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"flow {__version__}")
        return
    gc.set_threshold(50_000)  # loading allocates much that stays: looking for cycles all the time costs a tenth of it
    # Loading the command line costs 80 ms, which --version need not pay.
    from flowrunner.cli.app import run

    run(sys.argv[1:])


if __name__ == "__main__":
    main()

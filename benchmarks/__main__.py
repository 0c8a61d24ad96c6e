"""Run all benchmarks, or those named: python -m benchmarks [NAME ...]."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from benchmarks.harness import Row


def main(names: list[str]) -> int:
    """Print the table of each module that has a `measure()`."""
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs; medians\n")
    for name in names or sorted(_all()):
        print(f"-- {name}")
        rows: Iterator[Row] = import_module(f"benchmarks.{name}").measure()
        for row in rows:
            print(row, flush=True)
    return 0


def _all() -> Iterator[str]:
    for path in Path(__file__).parent.glob("*.py"):
        if not path.name.startswith("_") and path.stem != "harness":
            yield path.stem


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Two network namespaces with a cable between them that can be pulled. Needs root, and `ip` of iproute2."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

HERE, THERE = "10.77.0.1", "10.77.0.2"
"""The addresses of the exporter's and of the client's end."""


@dataclass(frozen=True)
class Cable:
    """The names of both namespaces."""

    exporter: str
    client: str

    def at(self, end: str) -> list[str]:
        """The beginning of a command that is to run at one end."""
        return ["ip", "netns", "exec", end]

    def pull(self) -> None:
        """Nothing goes through any more, and nobody is told."""
        _ip("-n", self.client, "link", "set", "cable", "down")

    def plug(self) -> None:
        """It goes through again."""
        _ip("-n", self.client, "link", "set", "cable", "up")


@contextmanager
def cable() -> Iterator[Cable]:
    """Lay a cable."""
    exporter, client = (f"flow-{end}-{os.getpid()}" for end in ("exporter", "client"))
    made: list[str] = []
    try:
        for end in (exporter, client):
            _ip("netns", "add", end)
            made.append(end)
            _ip("-n", end, "link", "set", "lo", "up")
        _ip("-n", exporter, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", client)
        for end, address in ((exporter, HERE), (client, THERE)):
            _ip("-n", end, "address", "add", f"{address}/24", "dev", "cable")
            _ip("-n", end, "link", "set", "cable", "up")
        yield Cable(exporter, client)
    finally:
        for end in made:
            _ip("netns", "delete", end)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"

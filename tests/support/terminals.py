"""`console` and `pipe` of a bench with some consoles, in terminals and with pipes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect

from tests.support.hands import FLOW, Desk

BENCH = """
metadata: {{name: lamp}}
export:
  console:
    type: console.process
    config: {{command: [sh, -c, "stty raw -echo; echo ready; exec cat"]}}
  short: {{type: console.process, config: {{command: "echo bye; read x; exit 0"}}}}
  loop: {{type: console.serial, config: {{url: 'loop://'}}}}
"""


@contextmanager
def console(desk: Desk, *options: str, part: str = "console") -> Iterator[pexpect.spawn[str]]:
    """`console` in a terminal of its own."""
    with desk.terminal("device", "-e", desk.socket, part, "console", *options) as terminal:
        yield terminal


def status(terminal: pexpect.spawn[str]) -> int | None:
    """Its exit status, when it ends by itself."""
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus


def piped(desk: Desk, *options: str, part: str = "console") -> subprocess.Popen[bytes]:
    """`pipe` with pipes at all ends."""
    return subprocess.Popen(
        [*FLOW, "device", "-e", desk.socket, part, "pipe", *options], cwd=desk.folder, env=desk.environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip

"""The service manager: what it is told over its socket (sd_notify(3)), and the unit that starts an exporter."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

UNIT = """\
[Unit]
Description=flowrunner exporter {name}
Wants=network-online.target
After=network-online.target
StartLimitBurst={most}
StartLimitIntervalSec={window}

[Service]
Type=notify
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec=30
Restart=on-failure
RestartSec=1
RestartPreventExitStatus=1 2
TimeoutStopSec=120
KillMode=mixed
{more}
[Install]
WantedBy=multi-user.target
"""


class Notifier:
    """Tells the service manager how this process does; without one (no NOTIFY_SOCKET) it says nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        mine = environment.get("WATCHDOG_PID") in (None, "", str(os.getpid()))
        usec = environment.get("WATCHDOG_USEC", "")
        self._watchdog = int(usec) / 1e6 if usec.isdigit() and mine else 0.0

    def ready(self, status: str) -> None:
        """The exporter serves."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """What it does now, in a few words."""
        self._send(f"STATUS={status}")

    def reloading(self) -> None:
        """The file is read again; `ready` says when that is done."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reading the file again")

    def stopping(self, status: str) -> None:
        """The exporter ends."""
        self._send("STOPPING=1", f"STATUS={status}")

    async def beat(self) -> None:
        """Show at twice the wanted rate that the event loop lives; it stops when the loop does."""
        while self._watchdog:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog / 2)

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.setblocking(False)
            out.sendto("\n".join(lines).encode(), self._address)


def unit(
    command: Sequence[str], *, name: str, most: int, window: int, user: str | None = None,
    credentials: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """A unit that runs `command`, which serves the exporter `name`.

    It is not started again after `most` failures within `window` seconds. `credentials` are files by name that the
    manager reads as root: `command` finds one as `${CREDENTIALS_DIRECTORY}/NAME`.
    """
    more = [f"User={user}"] if user else []
    more += [f"LoadCredential={key}:{_escaped(path)}" for key, path in (credentials or {}).items()]
    return UNIT.format(
        name=_escaped(name), most=most, window=window, command=" ".join(map(_word, command)),
        more="".join(f"{line}\n" for line in more),
    )  # fmt: skip


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """A word of ExecStart: systemd.service(5), "Command lines"."""
    if text.startswith("${CREDENTIALS_DIRECTORY}/"):
        return text
    text = _escaped(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$").replace("\n", "\\n")
    return text if re.fullmatch(r"[\w@%+=:,./$-]+", text) else f'"{text}"'

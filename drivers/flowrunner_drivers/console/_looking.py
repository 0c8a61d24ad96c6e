"""Why a serial port of this host cannot be had: which ones there are, who has it, who may open it."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Sequence
from pathlib import Path

from serial.tools import list_ports

from flowrunner.errors import BenchError, near
from flowrunner_drivers.console._holders import holders

BY_ID = Path("/dev/serial/by-id")
"""Where udev names adapters by maker and serial number."""


def look(port: Path) -> None:
    """Look at a port without opening it: opening moves its lines, and may reset what is behind it.

    Raises:
        BenchError: it is not there, is none, may not be opened, or is in use.
    """
    try:
        mode = port.stat().st_mode
    except FileNotFoundError as error:
        raise BenchError(f"there is no serial port '{port}'", help=_nearby(port)) from error
    except OSError as error:
        raise BenchError(f"'{port}' could not be looked at: {error.strerror}", blame="config") from error
    if not stat.S_ISCHR(mode):
        raise BenchError(f"'{port}' is no serial port", blame="config", help=_nearby(port))
    if not os.access(port, os.R_OK | os.W_OK, effective_ids=True):
        what = f"'{port}' may not be opened by user '{_user()}'"
        raise BenchError(what, blame="config", help=_rights(port))
    if found := holders(port):
        raise busy(port, found)


def busy(port: Path, found: Sequence[str] = ()) -> BenchError:
    """Others have it, as far as they were found, and would take a part of what comes."""
    who = " and ".join(found)
    help = f"end {who}, or take the port out of the bench's file" if who else f"find it with: sudo fuser -v {port}"
    return BenchError(f"'{port}' is in use by {who or 'another process'}", blame="infra", help=help)


def ports() -> str:
    """Which ports this host has, in words."""
    ids = {str(link.resolve()): str(link) for link in sorted(BY_ID.glob("*"))}
    found = sorted((each.device, ids.get(each.device, each.description)) for each in list_ports.comports())
    shown = ", ".join(f"{device} ({words})" if words not in ("n/a", device) else device for device, words in found)
    return f"ports of this host: {shown}" if shown else "this host has no serial port: is the adapter plugged in?"


def _nearby(port: Path) -> str:
    if port.parent != Path("/dev") and port.parent.is_dir():
        return near(port.name, [each.name for each in port.parent.iterdir()])
    return ports()


def _rights(port: Path) -> str:
    facts, user = port.stat(), _user()
    group = _group(facts.st_gid)
    if facts.st_gid == 0 or not (facts.st_mode & stat.S_IRGRP and facts.st_mode & stat.S_IWGRP):
        return f"its rights are {stat.filemode(facts.st_mode)}: let a udev rule give it to a group, such as dialout"
    if user in group.gr_mem:
        return f"the user is in its group '{group.gr_name}' by now: log in again, or start the service again"
    return f"join its group and log in again: sudo usermod -aG {group.gr_name} {user}"


def _group(number: int) -> grp.struct_group:
    try:
        return grp.getgrgid(number)
    except KeyError:
        return grp.struct_group((str(number), "", number, []))


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())

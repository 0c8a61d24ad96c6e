"""The safe state that is owed to the device of a lease: kept in a file, it outlives a process that is killed."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from pydantic import TypeAdapter, ValidationError

from flowrunner.device import SAFE_STATE_LIMIT, Device
from flowrunner.errors import FlowrunnerError

SafeState = Sequence[tuple[str, str]]
"""Paths of parts and the method that makes each safe, in order."""

_KNOWN = TypeAdapter(tuple[str, list[tuple[str, str]]])

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Debt:
    """What is owed while somebody has the exporter; without a `path` it is forgotten with the process."""

    path: Path | None = None

    def owe(self, owner: str, safe_state: SafeState) -> None:
        """From now on `owner` may leave the device in any state."""
        if self.path is None or not safe_state:
            return
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump([owner, list(safe_state)], file)
        except OSError as error:
            log.warning("a kill of this process would leave the device as it is: %s: %s", self.path, error.strerror)

    def forget(self) -> None:
        """The device is safe, or its client has made it so."""
        if self.path:
            self.path.unlink(missing_ok=True)

    async def pay(self, device: Device) -> None:
        """Do what a process before this one owed and could not do any more."""
        owner, safe_state = self._owed()
        if safe_state:
            log.warning("the exporter was killed while it was in use by %s", owner)
            await make_safe(device, safe_state)
            self.forget()

    def _owed(self) -> tuple[str, SafeState]:
        if self.path is None:
            return "", ()
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                return _KNOWN.validate_json(file.read()) if os.fstat(handle).st_uid == os.geteuid() else ("", ())
        except FileNotFoundError:
            return "", ()
        except (OSError, ValidationError) as error:
            log.error("%s does not say what is to be made safe: look at the device: %s", self.path, error)
            return "", ()


async def make_safe(device: Device, safe_state: SafeState) -> None:
    """Make each call of `safe_state`; one that fails is logged, and the others are made all the same."""
    for path, method in safe_state:
        try:
            with anyio.fail_after(SAFE_STATE_LIMIT):
                await getattr(device.at(path).client, method)()
            log.warning("safe state: %s %s", path, method)
        except (FlowrunnerError, TimeoutError) as error:
            log.error("the safe state %s: %s could not be reached: %s", path, method, error or "no answer")

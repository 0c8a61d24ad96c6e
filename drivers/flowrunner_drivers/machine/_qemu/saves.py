"""States of the whole machine, kept in its disk: QEMU's jobs `snapshot-save` and its like (docs/interop/qmp)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from flowrunner.errors import BenchError, near
from flowrunner.interfaces.machine import SavedState

Execute = Callable[[str, dict[str, Any] | None], Awaitable[Any]]
LOOKS = (0.01, 0.25)
"""Seconds from one look at a job to the next, at first and in the end: QEMU's event says no reason."""


class Saves:
    """The states of one machine; `node` is QEMU's name of the disk that keeps them."""

    def __init__(self, execute: Execute, node: str) -> None:
        self._execute = execute
        self._node = node
        self._count = 0

    async def saved(self) -> list[SavedState]:
        """What there is, oldest first."""
        nodes = await self._execute("query-named-block-nodes", {"flat": True})
        found = [s for n in nodes if n.get("node-name") == self._node for s in n["image"].get("snapshots", ())]
        states = [
            SavedState(name=s["name"], size=s["vm-state-size"], at=s["date-sec"] + s["date-nsec"] / 1e9) for s in found
        ]
        return sorted(states, key=lambda state: state.at)

    async def save(self, name: str) -> None:
        """Save all of the machine; a state of that name is replaced."""
        if name in await self._names():
            await self.delete(name)
        await self._job("snapshot-save", name, vmstate=self._node)

    async def load(self, name: str) -> None:
        """Go back to a state."""
        await self._known(name)
        await self._job("snapshot-load", name, vmstate=self._node)

    async def delete(self, name: str) -> None:
        """Forget a state."""
        await self._known(name)
        await self._job("snapshot-delete", name)

    async def _known(self, name: str) -> None:
        names = await self._names()
        if name not in names:
            raise BenchError(f"the machine has no saved state '{name}'", blame="config", help=near(name, names))

    async def _names(self) -> list[str]:
        return [state.name for state in await self.saved()]

    async def _job(self, kind: str, name: str, **more: str) -> None:
        self._count += 1
        job = f"flow{self._count}"
        await self._execute(kind, {"job-id": job, "tag": name, "devices": [self._node], **more})
        pause, longest = LOOKS
        while (found := await self._look(job))["status"] != "concluded":
            await anyio.sleep(pause)
            pause = min(pause * 1.5, longest)
        await self._execute("job-dismiss", {"id": job})
        if "error" in found:
            raise BenchError(f"QEMU could not carry out {kind} '{name}': {found['error']}")

    async def _look(self, job: str) -> dict[str, Any]:
        for found in await self._execute("query-jobs", None):
            if found["id"] == job:
                return dict(found)
        raise BenchError(f"QEMU lost its job '{job}'", blame="infra")

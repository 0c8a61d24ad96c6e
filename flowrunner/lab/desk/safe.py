"""The safe state of a device that a person used: all power off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import anyio

from flowrunner.device import SAFE_STATE_LIMIT, Device
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interfaces.power import Power


async def turn_off(device: Device, say: Callable[[str], None]) -> BenchError | None:
    """Turn all power off, the last part first. What could not be turned off is said; the last of it is returned."""
    failed: BenchError | None = None
    for path, power in reversed(list(powers(device))):
        try:
            with anyio.fail_after(SAFE_STATE_LIMIT):
                await power.off()
        except (FlowrunnerError, TimeoutError) as error:
            why = error.what if isinstance(error, FlowrunnerError) else "no answer"
            failed = BenchError(f"'{path}' could not be turned off: {why}", driver=path, call="off")
            say(str(failed))
    return failed


def powers(device: Device) -> Iterator[tuple[str, Power]]:
    """The parts that switch power, with their paths; each once, however many names it has."""
    seen: set[int] = set()
    for path, node in device.walk():
        if node.offers(Power) and (node.client is None or id(node.client) not in seen):
            seen.add(id(node.client))
            yield path, cast("Power", node.client)

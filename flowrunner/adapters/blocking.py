"""A device for programs without an event loop, such as plain pytest: the loop runs in a thread beside them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from flowrunner.adapters import device as devices
from flowrunner.device import Device
from flowrunner.interface import Interface

I = TypeVar("I", bound=Interface)  # noqa: E741
T = TypeVar("T")


class Blocking:
    """A leased device, of which calls block until they are done."""

    def __init__(self, portal: BlockingPortal, device: Device) -> None:
        self.device = device
        self._portal = portal

    def part(self, interface: type[I], path: str = "") -> I:
        """The client of the part that offers `interface`; its methods are called by `call`."""
        return devices.part(self.device, interface, path)

    def call(self, method: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Call a method of a client, such as `bench.call(power.cycle, off_for=1)`."""
        return self._portal.call(partial(method, *args, **kwargs))

    @contextmanager
    def enter(self, adapter: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Use an adapter, or a stream, for a block."""
        with self._portal.wrap_async_context_manager(adapter) as found:
            yield found


@contextmanager
def blocking(where: str | Path | None = None, **options: Any) -> Iterator[Blocking]:
    """Lease a device for a block; `options` are those of `flowrunner.adapters.device.device`."""
    opening = devices.device(where, **options)
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(opening) as device:
        yield Blocking(portal, device)

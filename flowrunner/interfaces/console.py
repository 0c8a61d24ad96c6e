"""Console: the byte stream that a target prints to and reads from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Interface, stream


class Console(Interface):
    """A text console. One reader at a time gets every byte, from the moment it connects."""

    name = "console"
    jumpstarter = "jumpstarter_driver_pyserial.client.PySerialClient"

    @stream
    @abstractmethod
    def connect(self) -> AbstractAsyncContextManager[ByteStream]:
        """Open the console.

        The stream lives as long as the context, also where the console itself comes and goes with the power:
        it then waits, and continues with the first byte of the next boot.
        """

    @stream
    @asynccontextmanager
    async def watch(self) -> AsyncIterator[ByteStream]:
        """See what whoever has the console open sees, beginning with a little of what came before.

        The bench does this for every console; who uses it is never held up, and nothing can be sent.

        Raises:
            BenchError: this console cannot be watched, such as one of a foreign exporter.
        """
        raise BenchError("this console cannot be watched", blame="config", help="open it yourself: console")
        yield  # it opens nothing

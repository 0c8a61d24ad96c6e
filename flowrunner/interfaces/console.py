"""Console: the byte stream that a target prints to and reads from."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager

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

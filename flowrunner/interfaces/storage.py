"""Storage: write an image to a target and read it back, and switch a medium between host and target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from flowrunner.interface import Interface, call


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of an image: `length` bytes at `offset`; `data` is None where all of them are zero."""

    offset: int
    length: int
    data: bytes | memoryview | None


class Image(ABC):
    """What is to be written, read once and in ascending order.

    `size` is in bytes, None while unknown (a compressed source). A gap between two extents is content that does not
    matter (a block map says so) and may be skipped; zeros that matter come as an extent without data.
    """

    name: str
    size: int | None

    @abstractmethod
    def extents(self) -> AsyncIterator[Extent]:
        """The content, in pieces of at most a few MiB of data."""


class Written(BaseModel):
    """What a flash did: bytes written with data, and bytes of the image altogether."""

    written: int
    size: int


class Flasher(Interface):
    """A medium that can be written whole."""

    name = "flasher"
    jumpstarter = "jumpstarter_driver_opendal.client.FlasherClient"

    @call
    @abstractmethod
    async def flash(self, image: Image, target: str | None = None) -> Written:
        """Write `image` to `target` (a partition's name; None is the default one) and make it durable.

        Raises:
            BenchError: no such target, image larger than it, medium gone, disk full, wrong power state.
        """

    @call
    @abstractmethod
    def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        """The content of `target` from its start: `length` bytes, or all of it."""


class BoardFlasher(Flasher):
    """A flasher that boots the board to write its storage. What is booted can also be had by itself."""

    name = "board_flasher"
    jumpstarter = "jumpstarter_driver_opendal.client.FlasherClient"

    @call
    @abstractmethod
    async def flash_all(self, images: Mapping[str, Image]) -> dict[str, Written]:
        """Write several images in one boot, each to the target that it is called by, in their order.

        Raises:
            BenchError: as with `flash`. Nothing is written when one of the images does not fit.
        """

    @call
    @abstractmethod
    async def bootloader(self) -> None:
        """Power-cycle the board and stop it at its boot loader's prompt, where it stays."""

    @call
    @abstractmethod
    async def system(self) -> None:
        """Boot the system that writes the storage, log in and bring its network up. The board stays there."""


class StorageMux(Interface):
    """A medium that is connected to the host, to the target, or to neither."""

    name = "storage"
    jumpstarter = "jumpstarter_driver_opendal.client.StorageMuxClient"

    @call
    @abstractmethod
    async def host(self) -> None:
        """Connect the medium to the host."""

    @call
    @abstractmethod
    async def dut(self) -> None:
        """Connect the medium to the target."""

    @call
    @abstractmethod
    async def off(self) -> None:
        """Connect the medium to neither."""


class StorageMuxFlasher(StorageMux, Flasher):
    """A medium behind a mux that can be written: host, write, and always back to the target."""

    name = "storage"
    jumpstarter = "jumpstarter_driver_opendal.client.StorageMuxFlasherClient"

"""Where the cables of the machine's network cards lead."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from flowrunner.model import FilePath, Model

CABLES = ("segment", "link", "tap", "bridge")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.@-]*$", max_length=15)]


class HostForward(Model):
    """A port of the host that leads to a port of the guest."""

    protocol: Literal["tcp", "udp"] = "tcp"
    """The protocol."""

    hostaddr: str = "127.0.0.1"
    """The address on the host."""

    hostport: int = Field(default=0, ge=0, le=65535)
    """The port on the host; 0 takes a free one at each start."""

    guestport: int = Field(ge=1, le=65535)
    """The port in the guest."""


class Nic(Model):
    """A network card; one key says where its cable leads."""

    segment: str | None = Field(default=None, min_length=1)
    """An Ethernet of its own: all machines of this user on this host that name it the same are on it. It needs no
    rights, and leads nowhere else."""

    link: FilePath | None = None
    """A cable to one other machine of this host, by sockets at this path: one of them is its `end: a`, one `end: b`."""

    end: Literal["a", "b"] = "a"
    """Which end of the `link` this machine has."""

    tap: Name | None = None
    """A TAP interface that is there already."""

    netns: Name | None = None
    """The network namespace (ip-netns(8)) in which the TAP interface is."""

    bridge: Name | None = None
    """A bridge of this host that /etc/qemu/bridge.conf allows."""

    mac: str | None = Field(default=None, pattern=r"^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$")
    """The card's address; without it another one is made up each time that the bench is opened."""

    model: str = "virtio-net-pci"
    """The card's model."""

    @model_validator(mode="after")
    def _one_cable(self) -> Self:
        given = [name for name in CABLES if getattr(self, name) is not None]
        if len(given) != 1:
            why = f"needs one of {', '.join(CABLES)}, got {' and '.join(given) or 'none'}"
            raise PydanticCustomError("one-of", "{why}", {"why": why, "help": "each card has one cable"})
        if self.netns and not self.tap:
            help = "say tap, or leave it out"
            raise PydanticCustomError("misplaced", "{why}", {"why": "netns is for a tap only", "help": help})
        return self

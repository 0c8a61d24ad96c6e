"""Which of Jumpstarter's client classes means which of our interfaces, in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from flowrunner.interface import Interface, offered
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.files import Files
from flowrunner.interfaces.network import DbusNetwork, Network
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.screen import Screen
from flowrunner.interfaces.server import HttpServer, TftpServer
from flowrunner.interfaces.shell import Shell
from flowrunner.interfaces.ssh import Ssh
from flowrunner.interfaces.storage import Flasher, StorageMux, StorageMuxFlasher
from flowrunner.interfaces.uboot import Uboot
from flowrunner.interfaces.video import Video
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.console import ConsoleFacade, ForeignSerial
from flowrunner.remote.jumpstarter.facade import Facade, Resources
from flowrunner.remote.jumpstarter.files import FilesFacade
from flowrunner.remote.jumpstarter.foreign_files import ForeignFiles
from flowrunner.remote.jumpstarter.generic import GenericFacade
from flowrunner.remote.jumpstarter.network import DbusFacade, ForeignDbus, ForeignNetwork, NetworkFacade
from flowrunner.remote.jumpstarter.power import ForeignPower, PowerFacade
from flowrunner.remote.jumpstarter.screen import ScreenFacade
from flowrunner.remote.jumpstarter.server import ForeignHttp, ForeignTftp, HttpFacade, TftpFacade
from flowrunner.remote.jumpstarter.shell import ForeignShell, ShellFacade
from flowrunner.remote.jumpstarter.ssh import ForeignSsh, SshFacade
from flowrunner.remote.jumpstarter.storage import (
    FlasherFacade,
    ForeignFlasher,
    ForeignMux,
    ForeignMuxFlasher,
    MuxFacade,
    MuxFlasherFacade,
)
from flowrunner.remote.jumpstarter.uboot import ForeignUboot, UbootFacade
from flowrunner.remote.jumpstarter.video import ForeignVideo, VideoFacade

if TYPE_CHECKING:
    from flowrunner.remote.exporter.station import Node  # clients need nothing of the exporter

NOTHING: Mapping[str, Peer] = MappingProxyType({})

COMPOSITE = "jumpstarter_driver_composite.client.CompositeClient"
"""The class of a part that only holds others; it is installed wherever Jumpstarter's command line is."""

FACADES: Mapping[type[Interface], type[Facade]] = {
    Power: PowerFacade,
    Console: ConsoleFacade,
    StorageMuxFlasher: MuxFlasherFacade,
    StorageMux: MuxFacade,
    Flasher: FlasherFacade,
    Files: FilesFacade,
    DbusNetwork: DbusFacade,
    Network: NetworkFacade,
    Shell: ShellFacade,
    Ssh: SshFacade,
    TftpServer: TftpFacade,
    HttpServer: HttpFacade,
    Uboot: UbootFacade,
    Screen: ScreenFacade,
    Video: VideoFacade,
}
"""What clients of Jumpstarter find where our interfaces are."""

FOREIGN: Mapping[str, type[Interface]] = {
    "jumpstarter_driver_power.client.PowerClient": ForeignPower,
    "jumpstarter_driver_power.client.VirtualPowerClient": ForeignPower,
    "jumpstarter_driver_snmp.client.SNMPServerClient": ForeignPower,
    "jumpstarter_driver_pyserial.client.PySerialClient": ForeignSerial,
    "jumpstarter_driver_opendal.client.StorageMuxFlasherClient": ForeignMuxFlasher,
    "jumpstarter_driver_opendal.client.StorageMuxClient": ForeignMux,
    "jumpstarter_driver_opendal.client.FlasherClient": ForeignFlasher,
    "jumpstarter_driver_qemu.client.QemuFlasherClient": ForeignFlasher,
    "jumpstarter.client.flasher.FlasherClient": ForeignFlasher,
    "jumpstarter_driver_opendal.client.OpendalClient": ForeignFiles,
    "jumpstarter_driver_network.client.NetworkClient": ForeignNetwork,
    "jumpstarter_driver_network.client.DbusNetworkClient": ForeignDbus,
    "jumpstarter_driver_shell.client.ShellClient": ForeignShell,
    "jumpstarter_driver_ssh.client.SSHWrapperClient": ForeignSsh,
    "jumpstarter_driver_tftp.client.TftpServerClient": ForeignTftp,
    "jumpstarter_driver_http.client.HttpServerClient": ForeignHttp,
    "jumpstarter_driver_uboot.client.UbootConsoleClient": ForeignUboot,
    "jumpstarter_driver_ustreamer.client.UStreamerClient": ForeignVideo,
}
"""What we make of the parts of an exporter of Jumpstarter. Other classes hold parts, or mean nothing to us."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a client class means: interfaces, most special first, and what implements them."""

    interfaces: tuple[type[Interface], ...]
    kind: type[Interface]

    def driver(self, peer: Peer, labels: Mapping[str, str], children: Mapping[str, Peer] = NOTHING) -> Interface:
        """Our interface over a driver there, with the parts below it."""
        if issubclass(self.kind, ForeignSsh):
            return self.kind(peer, children)
        if issubclass(self.kind, ForeignDbus):
            return self.kind(peer, labels)
        return self.kind(peer)  # type: ignore[call-arg] # all of FOREIGN are made of a peer


def known(client_class: str) -> Known | None:
    """What is known of a part with this label."""
    kind = FOREIGN.get(client_class)
    return Known(offered(kind), kind) if kind else None


def client_class(interfaces: Sequence[type[Interface]]) -> str:
    """The client class for a part of ours with these interfaces, most special first."""
    return next((FACADES[each].client_class for each in interfaces if each in FACADES), COMPOSITE)


def facade(node: Node, resources: Resources) -> Facade:
    """What clients of Jumpstarter find on a part of ours: all its interfaces.

    Contracts have the first word, the most special of them before the others; what else there is comes by its own name.
    """
    client, interfaces = node.device.client, node.device.interfaces
    whole = _Whole(interfaces)
    if client:
        for interface in interfaces:
            if interface in FACADES:
                whole.add(FACADES[interface](client, resources))
        for interface in interfaces:
            if interface not in FACADES:
                whole.add(GenericFacade(client, resources, interface))
    return whole


class _Whole(Facade):
    """Several facades as one."""

    def __init__(self, interfaces: Sequence[type[Interface]]) -> None:
        self.client_class = client_class(interfaces)  # type: ignore[misc] # of each part another one
        self.unary, self.iterators, self.streams = {}, {}, {}
        self._facades: list[Facade] = []

    def add(self, other: Facade) -> None:
        """Offer what `other` does, where nothing of that name is offered yet."""
        self._facades.append(other)
        known = {*self.unary, *self.iterators, *self.streams}
        self.unary |= {name: method for name, method in other.unary.items() if name not in known}
        self.iterators |= {name: method for name, method in other.iterators.items() if name not in known}
        self.streams |= {name: method for name, method in other.streams.items() if name not in known}

    async def labels(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for each in reversed(self._facades):
            found |= await each.labels()
        return found

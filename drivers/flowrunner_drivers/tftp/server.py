"""A TFTP server of this host."""

from __future__ import annotations

import socket
from typing import Any

from pydantic import Field

from flowrunner.interfaces.server import TftpServer
from flowrunner.model import Seconds
from flowrunner_drivers._served import Server, ServerConfig
from flowrunner_drivers.tftp._answer import Rules
from flowrunner_drivers.tftp._arrival import listening_socket
from flowrunner_drivers.tftp._listener import Listener
from flowrunner_drivers.tftp._options import BLKSIZE, LARGEST_WINDOW, Limits


class TftpConfig(ServerConfig):
    """What is served, where, and how far options are granted."""

    port: int = Field(default=69, ge=0, le=65535)
    """The port that it listens on; 0 for any that is free. 69 is where boot loaders look, and needs rights."""

    absolute: bool = False
    """Whether `/boot/Image` is understood as `boot/Image`; otherwise names that begin with a slash are refused."""

    timeout: Seconds = Field(default=1.0, gt=0)
    """Seconds without an answer after which blocks are sent again, unless the client asks for another time."""

    retries: int = Field(default=5, ge=0)
    """How many times they are sent again before the transfer is given up."""

    blksize: int = Field(default=BLKSIZE[-1], ge=BLKSIZE[0], le=BLKSIZE[-1])
    """The largest block that is granted, in bytes; 1468 is the largest that fits into a frame of Ethernet."""

    windowsize: int = Field(default=64, ge=1, le=LARGEST_WINDOW)
    """The largest window that is granted, in blocks."""

    transfers: int = Field(default=256, ge=1)
    """How many transfers there may be at the same time."""


class Tftp(Server[TftpConfig], TftpServer):
    """Serves the files of one folder over TFTP, for boot loaders; nothing can be written over TFTP.

    It knows the modes octet and netascii (RFC 1350) and the options blksize (RFC 2348), timeout and tsize (RFC 2349)
    and windowsize (RFC 7440); others are ignored. Block numbers start again at 0, so that there is no limit to the
    size of a file. Folders below are served, and no name and no link leads out. Files are put there through the part
    `storage`. Each transfer is a line in the log.

    ```yaml
    export:
      tftp:
        type: tftp.server
        config: {root_dir: /srv/boot, host: 192.168.7.1}
    ```

    Without `host` it listens on the address that this host speaks to the rest of the world from, which is seldom the
    network of the device. For a guest of QEMU's user network: `{host: 127.0.0.1, address: 10.0.2.2, port: 0}`; port 69
    is answered by that network itself.
    """

    aliases = ("jumpstarter_driver_tftp.driver.Tftp",)
    scheme = "tftp"
    kind = socket.SOCK_DGRAM

    async def listen(self, family: int, address: Any) -> Listener:
        config = self.config
        limits = Limits(blksize=config.blksize, windowsize=config.windowsize, timeout=config.timeout)
        rules = Rules(self.files.folder, limits, config.retries, config.absolute, config.transfers)
        return Listener(listening_socket(family, address), rules)

"""A TCP port."""

from __future__ import annotations

import socket

from flowrunner_drivers.network._host import HostNetwork


class TcpNetwork(HostNetwork):
    """A TCP port that the exporter can reach, such as that of the device. Each stream is a connection of its own.

    A host with several addresses is tried at all of them, a quarter of a second apart, and the first that answers is
    taken (RFC 8305). Closing one half is passed on both ways.

    ```yaml
    export:
      ssh:
        type: network.tcp
        config: {host: 192.168.7.2, port: 22}
    ```
    """

    aliases = ("jumpstarter_driver_network.driver.TcpNetwork",)
    scheme = "tcp"
    kind = socket.SOCK_STREAM

"""A UDP port."""

from __future__ import annotations

import socket

from flowrunner_drivers.network._host import HostNetwork


class UdpNetwork(HostNetwork):
    """A UDP port that the exporter can reach. One send is one datagram, and one that arrives is one receive.

    Each stream has a port of its own to send from, and gets only what its far end sends to that. That nobody listens
    there shows with the first answer of the far end's system, as an error of a later call.

    ```yaml
    export:
      syslog:
        type: network.udp
        config: {host: 192.168.7.2, port: 514}
    ```
    """

    aliases = ("jumpstarter_driver_network.driver.UdpNetwork",)
    scheme = "udp"
    kind = socket.SOCK_DGRAM

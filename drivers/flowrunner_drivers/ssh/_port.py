"""The way to a server that is named by host and port."""

from __future__ import annotations

import socket

from flowrunner_drivers.network._host import HostNetwork


class ServerPort(HostNetwork):
    """The TCP port of the server, as a part of its own: what else speaks SSH can go through it."""

    scheme = "tcp"
    kind = socket.SOCK_STREAM

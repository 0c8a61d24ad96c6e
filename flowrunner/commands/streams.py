"""What the commands on byte streams share."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from flowrunner.commands.method import Parameter
from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream

STREAM = Parameter("stream", str, "connect", "Which of the part's streams")
WATCH = Parameter("watch", bool, False, "See what whoever has it sees, and send nothing; nothing is leased")


def opened(node: Device, values: Mapping[str, Any]) -> AbstractAsyncContextManager[ByteStream]:
    """The stream of `node` that `--stream` names, `connect` by default."""
    name = "watch" if values.get("watch") else values.get("stream", "connect")
    stream: AbstractAsyncContextManager[ByteStream] = getattr(node.client, name)()
    return stream


def watches(values: Mapping[str, Any]) -> bool:
    """Whether the part is only looked at."""
    return bool(values.get("watch"))


def gone(node: Device, when: str = "") -> BenchError:
    """The error of a stream that the device closed."""
    return BenchError(f"{node.name} closed the connection {when}".rstrip(), driver=node.name)


def unused(node: Device) -> str:
    """What is said when the one who was watched has left."""
    return f"nobody uses {node.name} any more"

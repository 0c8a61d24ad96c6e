"""What clients of Jumpstarter can call, found by uuid and name: looked up once, called often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import grpc

from flowrunner.remote.exporter.facades import Facades
from flowrunner.remote.exporter.logs import Logs, Said
from flowrunner.remote.exporter.refusal import Refusal
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.jumpstarter.facade import Facade
from flowrunner.remote.wire import messages

Kind = Literal["unary", "iterators"]

MARKERS: dict[Kind, str] = {"unary": "marker_drivercall", "iterators": "marker_streamingdrivercall"}
"""What Jumpstarter's exporter misses on a method that is called by the wrong rpc."""


class Operation:
    """One method of one part, and how the log tells of it."""

    __slots__ = ("_begun", "_done", "_tell", "method")

    def __init__(self, method: Callable[..., Any], logs: Logs, driver: str, type: str, name: str) -> None:
        self.method = method
        self._tell = logs.tell
        self._begun = Said("INFO", f"{driver} {name}: Operation started", "driver", driver, type, name, None, True)
        self._done = self._ended("completed", result="success")

    def begun(self) -> None:
        """A client calls it."""
        self._tell(self._begun)

    def done(self) -> None:
        """It went well."""
        self._tell(self._done)

    def failed(self, why: str, kind: str) -> None:
        """It went wrong: `why` in words, and in one word for programs."""
        self._tell(self._ended("failed", result="failure", error_type=kind, error=why)._replace(severity="ERROR"))

    def _ended(self, how: str, **fields: str) -> Said:
        return self._begun._replace(message=self._begun.message.removesuffix("started") + how, fields=fields)


class Operations:
    """The operations of the parts that `facades` knows, while the station's status admits calls."""

    def __init__(self, station: Station, facades: Facades) -> None:
        """Nothing is looked up yet."""
        self._statuses = station.statuses
        self._logs = station.logs
        self._facades = facades
        self._device: object = None
        self._found: dict[tuple[Kind, str, str], Operation] = {}
        self._requests: dict[bytes, Operation] = {}

    def known(self, request: bytes) -> Operation | None:
        """What is called without arguments by a request that was learnt."""
        ready = self._statuses.ready and self._facades.device is self._device
        return self._requests.get(request) if ready else None

    def learn(self, request: bytes, message: messages.DriverCallRequest, operation: Operation) -> None:
        """Know a request when it comes again: one without arguments, in the one form in which protobuf writes it."""
        found = self._found.get(("unary", message.uuid, message.method)) is operation
        if found and not message.args and message.SerializeToString() == request:
            self._requests[request] = operation

    def find(self, kind: Kind, uuid: str, method: str) -> Operation:
        """The method of that part.

        Raises:
            Refusal: there is none, or it is called by the other rpc, or no call may be made now.
        """
        if not self._statuses.ready:
            what = f"Exporter not ready for driver calls (status: {self._statuses.now.status.name})"
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, what)
        device = self._facades.device
        if device is not self._device:
            self._device = device
            self._found, self._requests = {}, {}
        found = self._found.get((kind, uuid, method))
        return found or self._look_up(kind, uuid, method)

    def _look_up(self, kind: Kind, uuid: str, method: str) -> Operation:
        try:
            node, facade = self._facades.node(uuid), self._facades.facade(uuid)
        except KeyError:
            raise _not_found(f"there is no driver '{uuid}'") from None
        methods = facade.unary if kind == "unary" else facade.iterators
        if method not in methods:
            raise _missing(facade, kind, method)
        found = Operation(methods[method], self._logs, node.part.path or ".", node.part.type, method)
        if uuid == node.uuid:  # not each of its spellings
            self._found[kind, uuid, method] = found
        return found


def _missing(facade: Facade, kind: Kind, method: str) -> Refusal:
    if method in facade.unary or method in facade.iterators or method in facade.streams:
        return _not_found(f"method {method} missing marker {MARKERS[kind]}")
    return _not_found(f"method {method} not found on driver")


def _not_found(what: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, what)

"""Open a port on the machine that runs the pipeline, which leads to the device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from flowrunner.errors import FlowrunnerError
from flowrunner.interfaces.network import Network
from flowrunner.net.datagrams import forward_udp
from flowrunner.net.forward import LOOPBACK, forward_tcp, forward_unix
from flowrunner.net.forward import Forward as Door
from flowrunner.net.listen import private_folder
from flowrunner.step import Context, Outputs, Step


class ForwardOutputs(Outputs):
    """Where it listens."""

    address: str
    """The address for programs: `127.0.0.1:40123`, `[::1]:40123`, or the path of the socket."""

    host: str
    """The address it listens at; empty for a Unix socket."""

    port: int
    """The port; 0 for a Unix socket."""

    path: str | None = None
    """The path of the Unix socket."""


class Forward(Step):
    """Open a port on the machine that runs the pipeline; each connection to it goes on to a network of the device.

    It stays for the rest of the scope that the step stands in, `finally` included, and is closed then, however the
    scope ends. Whether somebody answers at the device is asked with each connection: what goes wrong is logged, and the
    others go on. With `over: udp` each sender has a way of its own; the network must be one for datagrams.

    Only this machine reaches the port, unless `host` says otherwise; a Unix socket without `path` is one that only this
    user reaches.

    ```yaml
    steps:
      - group:
          - id: web
            forward: tcp
            device: dut.web
          - run: ./tests/browser.sh "http://${{ steps.web.outputs.address }}/"
          - id: agent
            forward: {over: unix, path: agent.sock}
            device: dut.agent
          - id: gdb
            forward: {port: 3333}
            device: dut.gdb
    ```
    """

    shorthand = "over"
    kind = "setup"
    interfaces = (Network,)
    outside = True

    over: Literal["tcp", "udp", "unix"] = "tcp"
    """What is opened here; a Unix socket leads to whatever the network is, as a TCP port does."""

    host: str = LOOPBACK
    """The address to listen at."""

    port: int = Field(default=0, ge=0, le=65535)
    """The port to listen at; any that is free when left out."""

    path: str | None = None
    """Where the Unix socket is made; relative paths start in the pipeline's folder."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wrong = {"path"} if self.over != "unix" else {"host", "port"}
        for name in sorted(wrong & self.model_fields_set):
            why = f"{name} means nothing for {self.over}"
            raise PydanticCustomError("misplaced", "{why}", {"why": why, "help": f"leave {name} out"})
        return self

    async def run(self, context: Context) -> ForwardOutputs:
        network, place = context.use(Network), context.locate(Network)
        door = await context.keep(self._opened(network, place, context))
        context.log(f"{door} leads to {place}")
        path = str(door.path) if door.path else None
        return ForwardOutputs(address=str(door), host=door.host, port=door.port, path=path)

    @asynccontextmanager
    async def _opened(self, network: Network, place: str, context: Context) -> AsyncIterator[Door]:
        told = _Told(context, place)
        async with self._door(network, context, told) as door:
            yield door
        count = "1 connection" if door.accepted == 1 else f"{door.accepted} connections"
        context.log(f"{door} was closed after {count}" + (f", {door.broken} broken" if door.broken else ""))

    def _door(self, network: Network, context: Context, told: _Told) -> AbstractAsyncContextManager[Door]:
        match self.over:
            case "tcp":
                return forward_tcp(network.connect, host=self.host, port=self.port, on_error=told)
            case "udp":
                return forward_udp(network.connect, host=self.host, port=self.port, on_error=told)
            case "unix":
                return self._unix(network, context, told)

    @asynccontextmanager
    async def _unix(self, network: Network, context: Context, told: _Told) -> AsyncIterator[Door]:
        """A Unix socket, journalled before it is made: a file stays when its maker is killed."""
        with ExitStack() as stack:
            if self.path is None:
                made = private_folder(lambda folder: context.created("folder", path=str(folder)))
                path = stack.enter_context(made) / "s"
            else:
                path = context.path(self.path)
                stack.enter_context(context.created("file", path=str(path)))
            async with forward_unix(network.connect, path=path, on_error=told) as door:
                yield door


class _Told:
    """Logs why connections ended; one that comes again and again for the same reason is logged once."""

    def __init__(self, context: Context, place: str) -> None:
        self._context = context
        self._place = place
        self._last = ""

    def __call__(self, error: FlowrunnerError) -> None:
        if error.what != self._last:
            self._context.log(f"a connection to {self._place} ended: {error.what}", level="warning")
        self._last = error.what

"""Shell, both ways."""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.interfaces.shell import Shell, ShellOutput
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.facade import Facade, Resources

_utf8 = codecs.getincrementaldecoder("utf-8")


class ShellFacade(Facade):
    """What `ShellClient` calls: output is text there, so bytes that are no UTF-8 come as replacement characters."""

    client_class = "jumpstarter_driver_shell.client.ShellClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.get_methods, self.call_method)

    async def get_methods(self) -> list[str]:
        methods: list[str] = await self.part.get_methods()
        return methods

    async def call_method(
        self, method: str, env: dict[str, str] | None = None, *arguments: str
    ) -> AsyncGenerator[tuple[str, str, int | None], None]:
        """Standard output, standard error, and with the last piece the exit status."""
        out, err = _utf8("replace"), _utf8("replace")
        async with aclosing(self.part.call_method(method, arguments, env)) as pieces:
            async for piece in pieces:
                ended = piece.status is not None
                yield out.decode(piece.stdout, ended), err.decode(piece.stderr, ended), piece.status


class ForeignShell(Shell):
    """Methods on an exporter of Jumpstarter."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def get_methods(self) -> list[str]:
        return [str(name) for name in await self._peer.call("get_methods")]

    async def describe(self) -> dict[str, str]:
        return dict.fromkeys(await self.get_methods(), "")

    async def call_method(
        self, method: str, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> AsyncGenerator[ShellOutput, None]:
        async with aclosing(self._peer.iterate("call_method", method, dict(env or {}), *arguments)) as answers:
            async for answer in answers:
                match answer:
                    case [str(out), str(err), int() | None as status]:
                        yield ShellOutput(stdout=out.encode(), stderr=err.encode(), status=status)
                    case _:
                        raise BenchError("the driver answered with something else than output", blame="internal")

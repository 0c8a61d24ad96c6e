"""Shell: methods that the lab's owner configured on the exporter's host."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence

from pydantic import BaseModel

from flowrunner.interface import Interface, call


class ShellOutput(BaseModel):
    """A piece of a running method's output; `status` comes with the last one only."""

    stdout: bytes = b""
    stderr: bytes = b""
    status: int | None = None


class Shell(Interface):
    """Named commands beside the device."""

    name = "shell"
    jumpstarter = "jumpstarter_driver_shell.client.ShellClient"

    @call
    @abstractmethod
    async def get_methods(self) -> list[str]:
        """The names that can be called."""

    @call
    @abstractmethod
    async def describe(self) -> dict[str, str]:
        """What each of them is for; empty where that is not said."""

    @call
    @abstractmethod
    def call_method(
        self, method: str, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> AsyncIterator[ShellOutput]:
        """Run `method`; positional arguments are `$1..`, `env` is added to its environment.

        Raises:
            BenchError: there is no such method, it cannot be started, or takes too long.
        """

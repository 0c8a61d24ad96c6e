"""The commands of a part's shell: those that the lab's owner configured."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from flowrunner.commands.command import Command
from flowrunner.commands.method import Parameter
from flowrunner.commands.output import write_all
from flowrunner.commands.reading import usage
from flowrunner.device import Device
from flowrunner.errors import BenchError, near
from flowrunner.interfaces.shell import Shell


def shell_command(word: str) -> Command:
    """`NAME [ARGS]...`: run the configured command `word`, with its output and its exit status."""
    help = f"Run '{word}' beside the device; its output and its exit status become this command's."
    arguments = Parameter("arguments", Sequence[str], ())
    options = (Parameter("env", Mapping[str, str] | None, None, "KEY=VALUE for its environment; may be repeated"),)

    async def run(node: Device, values: Mapping[str, Any]) -> int:
        return await _run(node, word, values)

    return Command(word, help, (arguments,), run, options, {"-e": "--env"}, verbatim=True)


async def _run(node: Device, word: str, values: Mapping[str, Any]) -> int:
    shell = cast("Shell", node.client)
    known = await shell.get_methods()
    method = next((name for name in (word, word.replace("-", "_")) if name in known), None)
    if method is None:
        raise usage(f"'{node.name}' has no command '{word}'", near(word, known))
    status: int | None = None
    env = {name: str(value) for name, value in (values.get("env") or {}).items()}
    async for piece in shell.call_method(method, list(values.get("arguments", ())), env or None):
        sys.stdout.flush()
        write_all(sys.stdout.fileno(), piece.stdout)
        write_all(sys.stderr.fileno(), piece.stderr)
        status = piece.status if piece.status is not None else status
    if status is None:
        raise BenchError(f"'{word}' did not say how it ended", driver=node.name, call=word)
    return status if status >= 0 else 128 - status

"""A page in headless Chromium that can be looked at and typed into, by the DevTools protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import anyio
import anyio.to_thread
from websockets.asyncio.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0", "--mute-audio",
)  # fmt: skip
START = 60.0
"""Seconds that the browser may take to start, on a machine with much else to do."""


class Page:
    """An open page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol."""
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            said = json.loads(await self._socket.recv())
            if said.get("id") == number:
                assert "error" not in said, said
                return dict(said["result"])

    async def value(self, expression: str) -> Any:
        """What an expression of the page's language gives."""
        said = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    async def until(self, expression: str, within: float = 30.0) -> None:
        """Wait until an expression is true."""
        with anyio.fail_after(within):
            while not await self.value(expression):
                await anyio.sleep(0.05)

    async def press(self, key: str, code: str) -> None:
        """Press a key that writes a character, and release it."""
        for kind in ("keyDown", "keyUp"):
            more = {"text": key} if kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, **more)


@asynccontextmanager
async def page(url: str, profile: Path) -> AsyncIterator[Page]:
    """A browser of its own with `url` open."""
    with (profile / "browser.log").open("wb") as log:
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", url]
        process = await anyio.open_process(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        with anyio.fail_after(START):
            target = await _target(profile / "DevToolsActivePort", url)
        async with connect(target, max_size=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        with anyio.CancelScope(shield=True):
            await process.wait()


async def _target(said: Path, url: str) -> str:
    """Where the page is debugged."""
    while True:
        if said.exists() and (lines := said.read_text().splitlines()):
            listed = await anyio.to_thread.run_sync(lambda: urlopen(f"http://127.0.0.1:{lines[0]}/json").read())
            found = [each for each in json.loads(listed) if each["type"] == "page"]
            if found:
                return str(found[0]["webSocketDebuggerUrl"])
        await anyio.sleep(0.05)

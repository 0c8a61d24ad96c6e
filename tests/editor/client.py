"""A client of the real yaml-language-server: what an editor shows, asked for over the Language Server Protocol."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

ROOT = Path(__file__).parents[2]
SERVER = ROOT / ".cache" / "editor" / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
PATIENCE = 30.0
"""Seconds until an answer: a server that has nothing to say is silent for ever."""

ABLE = {
    "textDocument": {
        "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown", "plaintext"]}},
        "hover": {"contentFormat": ["markdown"]},
    },
    "workspace": {"configuration": True, "workspaceFolders": True},
}
SETTINGS = {"yaml": {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}}


@dataclass(frozen=True, slots=True)
class Item:
    """What is offered at one place: the word in the list, the text that is put in, and the page beside it."""

    label: str
    text: str
    help: str


class Editor:
    """One server with one workspace folder. `|` in a text is where the cursor stands.

    Texts are opened as files of the folder `pipelines`, so that the schemas that they name are found; nothing is written.
    """

    def __init__(self, process: Process, folder: Path) -> None:
        assert process.stdin and process.stdout
        self._input = process.stdin
        self._output = BufferedByteReceiveStream(process.stdout)
        self._folder = folder
        self._asked = 0
        self._opened: dict[str, str] = {}
        self._said: dict[str, list[dict[str, Any]]] = {}

    @classmethod
    @asynccontextmanager
    async def started(cls, folder: Path) -> AsyncIterator[Editor]:
        """A server that runs until the end of the block."""
        async with await anyio.open_process(["node", str(SERVER), "--stdio"], stderr=DEVNULL) as process:
            editor = cls(process, folder)
            root = {"uri": folder.as_uri(), "name": folder.name}
            start = {"processId": None, "rootUri": root["uri"], "workspaceFolders": [root], "capabilities": ABLE}
            await editor.ask("initialize", start)
            await editor.tell("initialized", {})
            await editor.tell("workspace/didChangeConfiguration", {"settings": SETTINGS})
            yield editor
            await editor.ask("shutdown", None)
            await editor.tell("exit", None)

    async def open(self, text: str) -> str:
        """Open a file with this text, once, and give its address. The server waits a moment before it looks at one."""
        if text not in self._opened:
            uri = (self._folder / "pipelines" / f"opened-{len(self._opened)}.yaml").as_uri()
            self._opened[text] = uri
            document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
            await self.tell("textDocument/didOpen", {"textDocument": document})
        return self._opened[text]

    async def problems(self, text: str) -> list[str]:
        """`line:column message` of each place that the editor would underline."""
        uri = await self.open(text)
        with anyio.fail_after(PATIENCE):
            while uri not in self._said:
                await self._receive()
        return sorted(
            f"{said['range']['start']['line'] + 1}:{said['range']['start']['character'] + 1} {said['message']}"
            for said in self._said[uri]
        )

    async def offers(self, text: str) -> dict[str, Item]:
        """What the editor would offer at the cursor, by label, in the server's order."""
        result = await self._at("completion", text)
        items = [
            Item(item["label"], item.get("textEdit", {}).get("newText") or item["insertText"], _text(item))
            for item in (result["items"] if isinstance(result, dict) else result)
        ]
        assert len({item.label for item in items}) == len(items), f"offered twice: {[item.label for item in items]}"
        return {item.label: item for item in items}

    async def hover(self, text: str) -> str:
        """What the editor would show for the word at the cursor."""
        result = await self._at("hover", text)
        return str(result["contents"]["value"]) if result else ""

    async def ask(self, method: str, params: Any) -> Any:
        """Send a request and wait for its answer."""
        self._asked += 1
        mine = self._asked
        await self._send({"id": mine, "method": method, "params": params})
        with anyio.fail_after(PATIENCE):
            while True:
                message = await self._receive()
                if message.get("id") == mine and "method" not in message:
                    assert "error" not in message, message["error"]
                    return message.get("result")

    async def tell(self, method: str, params: Any) -> None:
        """Send a notification."""
        await self._send({"method": method, "params": params})

    async def _at(self, what: str, text: str) -> Any:
        before, after = text.split("|", 1)
        uri = await self.open(before + after)
        place = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        return await self.ask(f"textDocument/{what}", {"textDocument": {"uri": uri}, "position": place})

    async def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        await self._input.send(b"Content-Length: %d\r\n\r\n" % len(data) + data)

    async def _receive(self) -> dict[str, Any]:
        """The next message; what the server tells is kept, what it asks is answered."""
        head = (await self._output.receive_until(b"\r\n\r\n", 1000)).decode("ascii")
        fields = dict(line.lower().split(": ", 1) for line in head.splitlines())
        message: dict[str, Any] = json.loads(await self._output.receive_exactly(int(fields["content-length"])))
        if message.get("method") == "textDocument/publishDiagnostics":
            self._said[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            await self._send({"id": message["id"], "result": _answer(message)})
        return message


def _answer(message: dict[str, Any]) -> Any:
    """The answer to a question of the server: the settings it asks for, else nothing."""
    if message["method"] == "workspace/configuration":
        return [SETTINGS.get(item["section"]) for item in message["params"]["items"]]
    return None


def _text(item: dict[str, Any]) -> str:
    found = item.get("documentation") or ""
    return str(found["value"] if isinstance(found, dict) else found)

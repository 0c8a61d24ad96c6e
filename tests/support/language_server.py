"""A client of the real yaml-language-server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / ".cache" / "editor"
SERVER = FOLDER / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"


class LanguageServer:
    """One server, spoken to over its standard input and output."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["node", str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._folder = folder
        self._count = 0
        self._said: dict[str, list[dict[str, Any]]] = {}
        able = {"textDocument": {"completion": {"completionItem": {"snippetSupport": True}}}}
        self._ask("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": able})
        self._send({"method": "initialized", "params": {}})
        wanted = {"yaml": {"validate": True, "completion": True, "hover": True}}
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": wanted}})

    def close(self) -> None:
        """End the server."""
        self._process.kill()
        self._process.communicate()

    def diagnostics(self, text: str) -> list[str]:
        """`line:column text` of what the editor would underline."""
        uri = self._open(text)
        return sorted(
            f"{said['range']['start']['line'] + 1}:{said['range']['start']['character'] + 1} {said['message']}"
            for said in self._said[uri]
        )

    def completion(self, text: str) -> list[str]:
        """What the editor would offer at the `|` in `text`."""
        result = self._at("completion", text)
        items = result["items"] if isinstance(result, dict) else result
        return [str(item["label"]) for item in items]

    def hover(self, text: str) -> str:
        """What the editor would show for the word at the `|` in `text`."""
        return str(self._at("hover", text)["contents"]["value"])

    def _at(self, what: str, text: str) -> Any:
        before, after = text.split("|", 1)
        uri = self._open(before + after)
        place = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        return self._ask(f"textDocument/{what}", {"textDocument": {"uri": uri}, "position": place})

    def _open(self, text: str) -> str:
        uri = (self._folder / f"{len(self._said)}.yaml").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        while uri not in self._said:
            self._receive()
        return uri

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        self._count += 1
        self._send({"id": self._count, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == self._count and "method" not in message:
                return message.get("result")

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        if message.get("method") == "textDocument/publishDiagnostics":
            self._said[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif "method" in message and "id" in message:
            items = message["params"].get("items", []) if message.get("params") else []
            self._send({"id": message["id"], "result": [{} for _ in items] or None})
        return message

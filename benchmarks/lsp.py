"""How long an editor waits: for the first mistakes, and for what could be typed next, in a long pipeline."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, flow
from benchmarks.start import pipeline

STEPS = 1000
ASKED = 50


def measure() -> Iterator[Row]:
    """One server, one file of 1,000 steps."""
    text = pipeline(STEPS) + "  - expect: {within: later, pat\n"
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with _Server(Path(folder) / "p.yaml") as server:
            yield Row("flow lsp answers", time.perf_counter() - began, "s", goal=1.5)
            began = time.perf_counter()
            server.open(pipeline(STEPS) + "  - powr: on\n")
            server.wait("textDocument/publishDiagnostics")
            yield Row(f"first mistakes of {STEPS} steps", time.perf_counter() - began, "s", goal=2.0)
            server.change(pipeline(STEPS) + "  - powr: off\n")
            began = time.perf_counter()
            server.wait("textDocument/publishDiagnostics")
            yield Row("mistakes after a key, the pause of 0.15 s included", time.perf_counter() - began, "s", goal=1.0)
            server.change(text)
            server.wait("textDocument/publishDiagnostics")
            last = text.count("\n") - 1
            for name, line, character in (
                ("completion of a key in broken text, p50", last, len("  - expect: {within: later, pat")),
                ("completion of an expression, p50", last - 2, len("    if: ${{ steps.")),
            ):
                server.complete(line, character)  # the schema is made once
                took = [server.complete(line, character) for _ in range(ASKED)]
                yield Row(name, statistics.median(took), "s", goal=0.05)


class _Server:
    """`flow lsp`, spoken to over its pipes."""

    def __init__(self, path: Path) -> None:
        self._uri = path.as_uri()
        self._count = 0

    def __enter__(self) -> _Server:
        self._process = subprocess.Popen([flow(), "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._ask("initialize", {"capabilities": {}})
        self._send({"method": "initialized", "params": {}})
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate(timeout=20)

    def open(self, text: str) -> None:
        document = {"uri": self._uri, "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})

    def change(self, text: str) -> None:
        self._count += 1
        document = {"uri": self._uri, "version": self._count + 1}
        changes = {"textDocument": document, "contentChanges": [{"text": text}]}
        self._send({"method": "textDocument/didChange", "params": changes})

    def complete(self, line: int, character: int) -> float:
        began = time.perf_counter()
        place = {"textDocument": {"uri": self._uri}, "position": {"line": line, "character": character}}
        assert self._ask("textDocument/completion", place)
        return time.perf_counter() - began

    def wait(self, method: str) -> None:
        while self._receive().get("method") != method:
            pass

    def _ask(self, method: str, params: Any) -> Any:
        self._count += 1
        mine = self._count
        self._send({"id": mine, "method": method, "params": params})
        while (found := self._receive()).get("id") != mine:
            pass
        return found.get("result")

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        found: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return found

"""An editor: the client of pygls, with a `flow lsp` of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

PATIENCE = 30.0
"""Seconds until an answer: a server that has nothing to say is silent for ever."""


class Editor:
    """One editor. In a text, `|` is where the cursor stands; texts are written to nothing unless that is said."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self._versions: dict[Path, int] = {}
        self._said: dict[str, list[list[lsp.Diagnostic]]] = {}
        self._news = asyncio.Event()

        client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(partial(self._published))

    def _published(self, params: lsp.PublishDiagnosticsParams) -> None:
        self._said.setdefault(params.uri, []).append(list(params.diagnostics))
        self._news.set()

    @classmethod
    @asynccontextmanager
    async def started(cls, folder: Path) -> AsyncIterator[Editor]:
        """An editor whose server runs until the end of the block."""
        client = LanguageClient("tests", "1")
        await client.start_io(sys.executable, "-m", "flowrunner", "lsp")
        editor = cls(client, folder)
        await asyncio.wait_for(
            client.initialize_async(
                lsp.InitializeParams(capabilities=lsp.ClientCapabilities(), root_uri=folder.as_uri())
            ),
            PATIENCE,
        )
        client.initialized(lsp.InitializedParams())
        yield editor
        await asyncio.wait_for(client.shutdown_async(None), PATIENCE)
        client.exit(None)
        stopping: Any = client.stop
        await asyncio.wait_for(stopping(), PATIENCE)

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The server's process."""
        server: Any = self.client
        process: asyncio.subprocess.Process = server._server
        return process

    def type(self, text: str, name: str = "p.yaml") -> None:
        """The file has this text now, as far as the editor is concerned."""
        path = self.folder / name
        self._versions[path] = version = self._versions.get(path, 0) + 1
        if version == 1:
            document = lsp.TextDocumentItem(uri=path.as_uri(), language_id="yaml", version=1, text=text)
            self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(document))
            return
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(
                lsp.VersionedTextDocumentIdentifier(uri=path.as_uri(), version=version),
                [lsp.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    async def problems(self, text: str, name: str = "p.yaml") -> list[lsp.Diagnostic]:
        """What is underlined when the file has this text."""
        uri = (self.folder / name).as_uri()
        before = len(self._said.get(uri, []))
        self.type(text, name)
        return await self.said(name, before)

    async def said(self, name: str = "p.yaml", before: int = 0) -> list[lsp.Diagnostic]:
        """What is said of a file next, when so much had been said `before`."""
        uri = (self.folder / name).as_uri()
        async with asyncio.timeout(PATIENCE):
            while len(self._said.get(uri, [])) <= before:
                self._news.clear()
                await self._news.wait()
        return self._said[uri][-1]

    def times(self, name: str = "p.yaml") -> int:
        """How often something was said of a file."""
        return len(self._said.get((self.folder / name).as_uri(), []))

    async def lines(self, text: str, name: str = "p.yaml") -> list[str]:
        """`line:column-column message` of each place that is underlined, from 1; of the message the first line."""
        return [
            f"{one.range.start.line + 1}:{one.range.start.character + 1}-{one.range.end.character + 1} "
            + one.message.partition("\n")[0]
            for one in await self.problems(text, name)
        ]

    async def offers(self, text: str, name: str = "p.yaml") -> dict[str, lsp.CompletionItem]:
        """What is offered at the cursor, by label."""
        found = await self._ask(self.client.text_document_completion_async, lsp.CompletionParams, text, name)
        items = found.items if isinstance(found, lsp.CompletionList) else found or []
        return {item.label: item for item in items}

    async def hover(self, text: str, name: str = "p.yaml") -> str:
        """The help of what is at the cursor."""
        found = await self._ask(self.client.text_document_hover_async, lsp.HoverParams, text, name)
        return str(found.contents.value) if found else ""

    async def definition(self, text: str, name: str = "p.yaml") -> str:
        """`file:line:column`, from 1, of where that is declared which is at the cursor; empty when nowhere."""
        found = await self._ask(self.client.text_document_definition_async, lsp.DefinitionParams, text, name)
        if found is None:
            return ""
        start = found.range.start
        return f"{found.uri.rpartition('/')[2]}:{start.line + 1}:{start.character + 1}"

    async def rename(self, text: str, new: str, name: str = "p.yaml") -> str:
        """The text when what is at the cursor is called `new`."""
        found = await self._ask(self.client.text_document_rename_async, lsp.RenameParams, text, name, new_name=new)
        lines = text.replace("|", "", 1).split("\n")
        ((_, edits),) = found.changes.items() if found else ((None, ()),)
        for edit in sorted(edits, key=lambda one: one.range.start.character, reverse=True):
            number, start, end = edit.range.start.line, edit.range.start.character, edit.range.end.character
            lines[number] = lines[number][:start] + edit.new_text + lines[number][end:]
        return "\n".join(lines)

    async def outline(self, text: str, name: str = "p.yaml") -> list[str]:
        """The names of the symbols, those inside others behind a dot."""
        self.type(text, name)
        params = lsp.DocumentSymbolParams(lsp.TextDocumentIdentifier((self.folder / name).as_uri()))
        found = await asyncio.wait_for(self.client.text_document_document_symbol_async(params), PATIENCE)
        return list(_flat([one for one in found or [] if isinstance(one, lsp.DocumentSymbol)], ""))

    async def _ask(self, method: Any, kind: Any, text: str, name: str, **more: Any) -> Any:
        before, after = text.split("|", 1)
        self.type(before + after, name)
        place = lsp.Position(before.count("\n"), len(before.rpartition("\n")[2].encode("utf-16-le")) // 2)
        document = lsp.TextDocumentIdentifier((self.folder / name).as_uri())
        return await asyncio.wait_for(method(kind(text_document=document, position=place, **more)), PATIENCE)


def _flat(found: list[lsp.DocumentSymbol], above: str) -> Any:
    for one in found:
        yield above + one.name
        yield from _flat(list(one.children or []), f"{above}{one.name}.")

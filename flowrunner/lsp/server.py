"""`flow lsp`: the server. It looks at a file a moment after the last key was struck."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from functools import partial
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from flowrunner import __version__
from flowrunner.lsp.complete import complete
from flowrunner.lsp.define import define
from flowrunner.lsp.diagnose import diagnose
from flowrunner.lsp.files import File, Files
from flowrunner.lsp.hover import hover
from flowrunner.lsp.places import path_of
from flowrunner.lsp.rename import CannotRename, rename
from flowrunner.lsp.symbols import symbols

PAUSE = 0.15
"""Seconds without a key before a file is looked at."""

TRIGGERS = [".", ":", " ", "{", "-"]


class Server(LanguageServer):
    """One editor's server."""

    def __init__(self, pause: float = PAUSE) -> None:
        super().__init__("flow", __version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Incremental)
        self.files = Files()
        self._pause = pause
        self._looking: dict[str, asyncio.Task[None]] = {}

    def file(self, uri: str) -> File | None:
        """The file with this address, as it is open."""
        return self.files.get(path_of(uri))

    def changed(self, uri: str, *, fetch: bool) -> None:
        """Take the text that the editor has now, and look at it soon; all that is open may depend on it."""
        self.files.open(path_of(uri), self.workspace.get_text_document(uri).source)
        self.look(uri, 0.0 if fetch else self._pause, fetch=fetch)

    def look(self, uri: str, pause: float, *, fetch: bool) -> None:
        """Say what is wrong with a file, unless it changes before that."""
        if task := self._looking.pop(uri, None):
            task.cancel()
        self._looking[uri] = asyncio.get_running_loop().create_task(self._look(uri, pause, fetch=fetch))

    def forget(self, uri: str) -> None:
        """The file is closed."""
        if task := self._looking.pop(uri, None):
            task.cancel()
        self.files.close(path_of(uri))
        self._publish(uri, [])

    async def _look(self, uri: str, pause: float, *, fetch: bool) -> None:
        await asyncio.sleep(pause)
        file = self.file(uri)
        if file is None:
            return
        files = Files(dict(self.files.opened))  # the thread sees no key that is struck meanwhile
        found = await asyncio.to_thread(diagnose, file, files, fetch=fetch)
        if self.file(uri) is file:
            self._publish(uri, found)

    def _publish(self, uri: str, found: list[lsp.Diagnostic]) -> None:
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri=uri, diagnostics=found))


def server(pause: float = PAUSE) -> Server:
    """A server with all that it can do."""
    made = Server(pause)
    _follow(made)
    _answer(made)
    return made


def _follow(made: Server) -> None:
    """What the editor tells."""

    @made.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        made.changed(params.text_document.uri, fetch=True)

    @made.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        made.changed(params.text_document.uri, fetch=False)

    @made.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        for path in list(made.files.opened):
            made.look(path.as_uri(), 0.0, fetch=True)

    @made.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        made.forget(params.text_document.uri)


def _answer(made: Server) -> None:
    """What the editor asks."""

    def ask(what: Any, params: Any) -> Any:
        file = made.file(params.text_document.uri)
        return what(file, made.files, params.position) if file else None

    made.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=TRIGGERS))(
        partial(ask, complete)
    )
    made.feature(lsp.TEXT_DOCUMENT_DEFINITION)(partial(ask, define))
    made.feature(lsp.TEXT_DOCUMENT_HOVER)(partial(ask, hover))

    @made.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def outline(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        file = made.file(params.text_document.uri)
        return symbols(file) if file else []

    @made.feature(lsp.TEXT_DOCUMENT_RENAME)
    def renamed(params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        file = made.file(params.text_document.uri)
        try:
            return rename(file, made.files, params.position, params.new_name) if file else None
        except CannotRename as error:
            raise JsonRpcInvalidParams(str(error)) from error


def serve() -> None:
    """Serve one editor over standard input and output, until it ends the conversation or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is held, and a thread may wait for input for ever
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    server().start_io()

"""Render a file with Jinja2: expressions as everywhere, and statements."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.runtime import LoopContext

from flowrunner.errors import PipelineError, Span
from flowrunner.expressions.limits import TooLarge
from flowrunner.expressions.sandbox import Sandbox

LARGEST = 16 * 1024 * 1024
"""Characters of a rendered file."""


LOOP = {"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem", "depth"}
"""What a template may ask of `loop`."""


class _FileSandbox(Sandbox):
    """The sandbox of expressions, with what statements need."""

    def __init__(self) -> None:
        super().__init__()
        self.trim_blocks = self.lstrip_blocks = True

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in LOOP:
            return getattr(obj, attribute)
        return super().getattr(obj, attribute)

    def call(  # Jinja2 hands over the variables of the loop that the call is in
        self, context: Any, obj: Any, *args: Any, _loop_vars: Any = None, _block_vars: Any = None, **kwargs: Any
    ) -> Any:
        return super().call(context, obj, *args, **kwargs)


@cache
def _sandbox() -> Sandbox:
    return _FileSandbox()


def render(path: Path, values: Mapping[str, Any]) -> str:
    """The text of `path` with its expressions and statements replaced.

    Raises:
        PipelineError: not readable, not a template, a name that is not there, a wrong operation, too large.
    """
    try:
        source = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PipelineError(f"the template '{path}' cannot be read: {why}", code="no-file") from error
    pieces: list[str] = []
    size = 0
    try:
        for piece in _sandbox().from_string(source).generate(values):
            size += len(piece)
            if size > LARGEST:
                raise TooLarge(f"the file would have more than {LARGEST} characters")
            pieces.append(piece)
    except Exception as error:
        what = error.message if isinstance(error, TemplateError) else str(error)
        raise PipelineError(what or "this is no template", code="bad-template", where=_place(path, error)) from error
    return "".join(pieces)


def _place(path: Path, error: Exception) -> Span:
    """The line of the template that `error` comes from: Jinja2 puts it into the traceback."""
    line = error.lineno if isinstance(error, TemplateSyntaxError) else 1
    frame = error.__traceback__
    while frame:
        if frame.tb_frame.f_code.co_filename == "<template>":
            line = frame.tb_lineno
        frame = frame.tb_next
    return Span(str(path), line, 1, line, 1)

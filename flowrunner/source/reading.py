"""Read a file, or a text."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.clib._ruamel_yaml import CParser  # pyright: ignore[reportMissingImports]
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from flowrunner.errors import PipelineError, PipelineErrors
from flowrunner.source.composer import Composer
from flowrunner.source.nodes import Document, Node
from flowrunner.source.overlay import read_bytes
from flowrunner.source.wording import place_of, syntax_error


def load(path: Path, *, name: str | None = None) -> Document:
    """Read and compose `path`.

    Raises:
        PipelineErrors: not readable, not UTF-8, not YAML, duplicate keys, merge keys, tags, several documents.
    """
    name = name or str(path)
    try:
        raw = read_bytes(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PipelineErrors([PipelineError(f"{name} could not be read: {reason}", code="unreadable")]) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = raw[: error.start].decode("utf-8-sig")
        where = place_of(name, good, len(good))
        what = f"the byte 0x{raw[error.start]:02x} is not UTF-8"
        raise PipelineErrors(
            [PipelineError(what, code="bad-encoding", where=where, help="save it as UTF-8")]
        ) from error
    return parse(text, name)


def parse(text: str, name: str) -> Document:
    """Compose `text` as `load` does. Line breaks of every kind become newlines, as YAML has it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    hidden = text.translate(_HIDE)
    try:
        composer = _composed(hidden, name, shown=_SHOW if hidden != text else {})
    except (MarkedYAMLError, ReaderError) as error:
        raise PipelineErrors([syntax_error(error, text, name)]) from error
    except UnicodeEncodeError as error:
        where = place_of(name, text, error.start)
        what = f"the character U+{ord(text[error.start]):04X} is not valid"
        raise PipelineErrors([PipelineError(what, code="bad-encoding", where=where, help="use UTF-8")]) from error
    if composer.errors:
        raise PipelineErrors(composer.errors)
    return Document(name, text, composer.root)


def composed(text: str, name: str) -> Node | None:
    """The root of `text`, whatever else than its syntax is wrong with it.

    Raises:
        MarkedYAMLError, ReaderError: it is no YAML.
    """
    return _composed(text.translate(_HIDE), name, _SHOW).root


def _composed(text: str, name: str, shown: dict[int, str]) -> Composer:
    """The composed text. libyaml is much faster, and of YAML 1.1: what it refuses may still be YAML 1.2."""
    composer = Composer(text, name, shown)
    try:
        composer.take(iter(CParser(text).get_event, None))
    except (MarkedYAMLError, ReaderError):
        second = Composer(text, name, shown)
        try:
            second.take(YAML(typ="safe", pure=True).parse(text))
        except (MarkedYAMLError, ReaderError):
            pass
        else:
            return second
        raise
    return composer


_HIDE = {0x85: "\ufdd0", 0x2028: "\ufdd1", 0x2029: "\ufdd2"}
"""Line breaks of YAML 1.1 that are text in 1.2, as characters that no text has: parsers leave those."""

_SHOW = {ord(stand_in): chr(real) for real, stand_in in _HIDE.items()}

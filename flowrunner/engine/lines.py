"""The lines of a journal: sealed one by one, so that any prefix of the file can be read back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowrunner.errors import BenchError

Event = Mapping[str, Any]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
"""One encoder for all lines: `json.dumps` makes a new one each time, which costs as much as a short line."""

_TAIL = len(',"crc":"00000000"}')


def seal(record: Event) -> bytes:
    """A line: the record, and the CRC-32 of its JSON."""
    raw = _encode(record).encode("utf-8", "backslashreplace")
    return raw[:-1] + f',"crc":"{zlib.crc32(raw):08x}"}}\n'.encode()


def read(path: Path) -> list[Event]:
    """The events of a journal up to the first line that is torn or damaged.

    Raises:
        BenchError: there is no such file, or it cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise BenchError(f"the journal {path} could not be read: {error.strerror}", blame="infra") from error
    events: list[Event] = []
    for line in lines:
        event = _unseal(line)
        if event is None or event.get("n") != len(events):
            break
        events.append(event)
    return events


def _unseal(line: bytes) -> Event | None:
    body = line[:-_TAIL] + b"}"
    if not line.endswith(f'"{zlib.crc32(body):08x}"}}'.encode()):
        return None
    try:
        event = json.loads(body)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None

"""The file of a recording: a line for each thing that was asked and answered, large answers beside it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowrunner.engine.lines import seal
from flowrunner.engine.mask import Masker
from flowrunner.errors import BenchError
from flowrunner.model import Duration
from flowrunner.replay.values import digest, packed

FILE = "recording.jsonl"
BLOBS = "recording"
"""The folder of large answers; each is a file named by its SHA-256."""

INLINE = 4096
"""Bytes of an answer that stand in its line."""

LARGEST = 16 << 20
"""Bytes of one answer that are kept at all; a frame of a camera is smaller, an image read back is larger."""

LAG = 0.1
"""Seconds for which lines may be on their way to the file; who is killed then has lost them."""

TOTAL = 256 << 20
"""Bytes that all lines and answers of a run take together, at most."""


class Store:
    """Appends lines as the journal does: any beginning of the file is a legal recording."""

    def __init__(self, folder: Path, now: Callable[[], Duration], masker: Masker, say: Callable[[str], None]) -> None:
        """`say` is told, once, why the recording stops before the run ends."""
        self._folder = folder
        self._now = now
        self._masker = masker
        self._say = say
        self._file = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._count = 0
        self._left = TOTAL
        self._open = True
        self._lines = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def write(self, event: str, **fields: Any) -> int:
        """Append a line; returns its number."""
        number = self._count
        if self._open:
            masked = self._masker.data(fields) if self._masker.spellings else fields
            line = seal({"n": number, "t": float(self._now()), "event": event, **masked})
            self._lines += line
            self._take(len(line))
            self._count += 1
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(LAG, self.flush)
        return number

    def flush(self) -> None:
        """Hand what was written to the kernel: it survives the end of this process."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = bytes(self._lines), bytearray()
        if lines:
            self._guarded(lambda: _write_all(self._file, lines))

    def value(self, value: Any) -> dict[str, Any]:
        """An answer as a field of a line: in it when it is small, else a file, or its size when it is too large."""
        if value is None or isinstance(value, bool | int | float):
            return {"value": value}
        if isinstance(value, bytes | bytearray | memoryview):
            data, kind = self._masker.stars(bytes(value)), "base64"
        else:
            found = self._masker.data(packed(value))
            data, kind = json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass"), "value"
            if len(data) <= INLINE:
                return {"value": found}
        if len(data) <= INLINE:
            return {"base64": base64.b64encode(data).decode()}
        name = digest(data)
        facts = {"blob": name, "size": len(data), "kind": kind}
        if len(data) > min(LARGEST, self._left):
            return {**facts, "kept": False}
        self._guarded(lambda: self._keep(name, data))
        return facts

    def close(self) -> None:
        """The run has ended."""
        self.flush()
        if self._open:
            self._open = False
            os.close(self._file)

    def _keep(self, name: str, data: bytes) -> None:
        folder = self._folder / BLOBS
        folder.mkdir(exist_ok=True)
        if not (folder / name).exists():
            self._take(len(data))
            part = folder / f".{name}"
            part.write_bytes(data)
            part.replace(folder / name)

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            self._stop(f"it has taken {TOTAL >> 20} MiB")

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            if self._open:
                work()
        except OSError as error:
            self._stop(str(error.strerror))

    def _stop(self, why: str) -> None:
        if self._open:
            self.close()
            self._say(f"the recording ends here, so this run can be replayed up to here only: {why}")


def load_value(folder: Path, facts: dict[str, Any]) -> tuple[bytes | None, Any]:
    """The bytes, or the plain data, of a field that `Store.value` made.

    Raises:
        BenchError: it was too large to be kept, or its file is missing.
    """
    if "blob" not in facts:
        return (base64.b64decode(facts["base64"]), None) if "base64" in facts else (None, facts.get("value"))
    what = f"the recording does not hold this answer of {facts['size']} bytes"
    if facts.get("kept") is False:
        raise BenchError(what, blame="config", help=f"answers of more than {LARGEST >> 20} MiB are not kept")
    try:
        data = (folder / BLOBS / Path(facts["blob"]).name).read_bytes()
    except OSError as error:
        raise BenchError(f"{what}: {error.strerror}", blame="config") from error
    return (data, None) if facts["kind"] == "base64" else (None, json.loads(data))


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]

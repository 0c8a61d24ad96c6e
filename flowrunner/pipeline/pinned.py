"""Content from elsewhere that never moves."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def _pin(text: str) -> str:
    """A pin goes to git and into paths as it is: one that somebody has edited must not mean anything else there."""
    if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}|sha256:[0-9a-f]{64}", text):
        facts = {"why": "is a commit or a digest, all of it", "help": "write it anew: 'flow lock', 'flow vendor'"}
        raise PydanticCustomError("pin", "{why}", facts)
    return text


Pin = Annotated[str, AfterValidator(_pin)]
"""The commit, or the digest of the artifact."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of the file or folder `path`: what is done here is done by one process at a time."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class Pinned:
    """`pin` is its commit or digest, `files` the folder that it lies in."""

    pin: str
    files: Path

"""A digest that an author gives, such as `sha256:9f86...`."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from flowrunner.errors import ExpectationError
from flowrunner.image.content import ZEROS, data_ranges
from flowrunner.image.stop import Stop

if TYPE_CHECKING:
    from flowrunner.image.source import Source

LENGTHS: Final = {"sha256": 64, "sha512": 128}
PATTERN: Final = r"^(sha256:[0-9a-fA-F]{64}|sha512:[0-9a-fA-F]{128})$"

Checksum = Annotated[str, Field(pattern=PATTERN, examples=["sha256:" + hashlib.sha256(b"").hexdigest()])]
"""The digest of a file as it is stored, packed or not: what `sha256sum FILE` prints, with its algorithm before it."""


class Digest:
    """Computes the digest of a stored image, and holds it against the one that was asked for."""

    def __init__(self, wanted: str | None) -> None:
        """`wanted` is a `Checksum`.

        Raises:
            ValueError: it is none.
        """
        if wanted is not None and not re.fullmatch(PATTERN, wanted):
            raise ValueError(f"a checksum is written as sha256:<64 hex digits>, got '{wanted}'")
        self.wanted = wanted
        self.algorithm = wanted.partition(":")[0] if wanted else "sha256"
        self.hash = hashlib.new(self.algorithm)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hash.hexdigest()}"

    def settle(self, source: Source) -> str:
        """The digest, when it is the wanted one or none was wanted.

        Raises:
            ExpectationError: it is another.
        """
        found = str(self)
        if self.wanted and found.lower() != self.wanted.lower():
            raise ExpectationError(
                f"image '{source.name}' has the checksum {found}, not {self.wanted}",
                blame=source.blame,
                help="the target now holds an image that was not meant for it: do not boot it",
            )
        return found

    def of_file(self, handle: int, size: int, stop: Stop) -> Digest:
        """Take in a whole file, its holes without reading them."""
        end = 0
        for start, stop_at in (*data_ranges(handle, 0, size), (size, size)):
            self._zeros(start - end)
            end = start
            while end < stop_at:
                stop.check()
                data = os.pread(handle, min(1 << 20, stop_at - end), end)
                if not data:
                    break
                self.hash.update(data)
                end += len(data)
        return self

    def _zeros(self, count: int) -> None:
        while count > 0:
            self.hash.update(ZEROS[:count])
            count -= len(ZEROS)

"""Block maps: which blocks of an image matter, with a checksum of each run of them (bmap-tools, format 1.3 to 2.0)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree

from flowrunner.errors import BenchError
from flowrunner.image.content import ZEROS
from flowrunner.interfaces.storage import Extent

LIMIT = 64 << 20
"""No block map is larger; one of a 64 GiB image with 100,000 ranges has 15 MiB."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A run of blocks that matters: from byte `start` up to `end`, and its digest if the map has one."""

    start: int
    end: int
    digest: str | None


@dataclass(frozen=True, slots=True)
class BlockMap:
    """What a `.bmap` file says: the image's size in bytes, and what of it matters, in ascending order."""

    name: str
    size: int
    algorithm: str
    mapped: tuple[Mapped, ...]

    @property
    def checked(self) -> bool:
        """Whether it has checksums of its ranges."""
        return any(run.digest for run in self.mapped)

    def ranges(self) -> list[tuple[int, int]]:
        """The bytes that matter."""
        return [(run.start, run.end) for run in self.mapped]

    def verified(self, extents: Iterable[Extent], image: str) -> Generator[Extent, None, None]:
        """The same extents, which lie in the map's ranges and do not cross their ends.

        Raises:
            BenchError: a range has another checksum than the map says.
        """
        runs = iter(self.mapped)
        run = next(runs, None)
        digest = hashlib.new(self.algorithm)
        for extent in extents:
            _update(digest, extent)
            yield extent
            if run and extent.offset + extent.length == run.end:
                if run.digest and digest.hexdigest() != run.digest:
                    raise self._differs(run, image)
                run, digest = next(runs, None), hashlib.new(self.algorithm)

    def _differs(self, run: Mapped, image: str) -> BenchError:
        return BenchError(
            f"image '{image}' does not fit its block map '{self.name}': bytes {run.start} to {run.end} have another "
            f"{self.algorithm}",
            blame="config",
            help="one of the two is damaged or of another build; bmap: none flashes without the map",
        )


def parse_blockmap(text: bytes, name: str) -> BlockMap:
    """Read a block map.

    Raises:
        BenchError: it is none, is damaged, or of a format that is not known.
    """
    try:
        return _parse(text, name)
    except (ElementTree.ParseError, ValueError, KeyError, AttributeError) as error:
        raise BenchError(f"'{name}' is no block map: {error}", blame="config") from error


def _parse(text: bytes, name: str) -> BlockMap:
    if b"<!ENTITY" in text:
        raise ValueError("it declares entities")
    root = ElementTree.fromstring(text)
    major = root.attrib["version"].partition(".")[0]
    if major not in ("1", "2"):
        raise ValueError(f"version {root.attrib['version']} is not known, 1.x and 2.x are")
    algorithm = (root.findtext("ChecksumType") or "sha1").strip().lower()
    if algorithm not in hashlib.algorithms_available:
        raise ValueError(f"checksum type '{algorithm}' is not known")
    _check_itself(root, text, algorithm)
    size, block = (int(_text(root, tag)) for tag in ("ImageSize", "BlockSize"))
    runs = [_run(entry, block, size) for entry in root.iterfind("BlockMap/Range")]
    if any(later.start < earlier.end for earlier, later in pairwise(runs)):
        raise ValueError("its ranges are not in order")
    return BlockMap(name, size, algorithm, tuple(runs))


def _run(entry: ElementTree.Element, block: int, size: int) -> Mapped:
    first, _, last = (entry.text or "").strip().partition("-")
    start, end = int(first) * block, min((int(last or first) + 1) * block, size)
    if not 0 <= start < end:
        raise ValueError(f"range '{(entry.text or '').strip()}' is outside of the image")
    digest = entry.get("chksum") or entry.get("sha1")
    return Mapped(start, end, digest.lower() if digest else None)


def _check_itself(root: ElementTree.Element, text: bytes, algorithm: str) -> None:
    """The map's own checksum covers the file with the digits of that checksum as zeros."""
    said = (root.findtext("BmapFileChecksum") or root.findtext("BmapFileSHA1") or "").strip()
    if said:
        digits = said.encode()
        blank = re.sub(re.escape(digits), b"0" * len(digits), text, count=1)
        if hashlib.new(algorithm, blank).hexdigest() != said.lower():
            raise ValueError(f"its own {algorithm} does not fit: it is damaged or was edited")


def _text(root: ElementTree.Element, tag: str) -> str:
    found = root.findtext(tag)
    if found is None:
        raise ValueError(f"it has no {tag}")
    return found.strip()


def _update(digest: hashlib._Hash, extent: Extent) -> None:
    if extent.data is not None:
        digest.update(extent.data)
        return
    left = extent.length
    while left > 0:
        digest.update(ZEROS[:left])
        left -= len(ZEROS)

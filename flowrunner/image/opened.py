"""An image that is open: found, recognised, and ready to be read once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flowrunner.errors import BenchError
from flowrunner.image.ahead import ahead
from flowrunner.image.blockmap import LIMIT, BlockMap, parse_blockmap
from flowrunner.image.checksum import Digest
from flowrunner.image.codec import Codec, Compression, find_codec, unpacked
from flowrunner.image.content import Piece, file_content, file_copies, positioned, sparse
from flowrunner.image.fingerprint import Fingerprint
from flowrunner.image.oci import SCHEME as OCI
from flowrunner.image.oci import open_oci
from flowrunner.image.remote import SCHEME, fetch, of_the_same_server, open_remote
from flowrunner.image.source import LocalSource, Source
from flowrunner.image.stop import Stop, in_thread
from flowrunner.interfaces.storage import Extent, Image

SUFFIXES = re.compile(r"\.(gz|xz|zst|zstd|bz2)$")
GATHER = 32
"""Extents that are handed to the event loop at once."""


class OpenImage(Image):
    """An image that `open_image` found. It can be read once: by `extents`, or in a thread by `pieces`.

    `digest` is that of the file as it is stored; it is known at the end, when all of the file was read for it: always
    for a packed or remote image, otherwise only with a `checksum`, the digest that is asked for. `fingerprint`, set
    before, takes in the content.
    """

    def __init__(
        self, source: Source, codec: Codec | None, blockmap: BlockMap | None, checksum: str | None, stop: Stop
    ):
        """Check that the parts fit each other.

        Raises:
            BenchError: the image is empty, or not of the size that the block map says.
        """
        self.name = source.name
        self.size = source.size if codec is None else None
        self.checksum = checksum
        self.digest: str | None = None
        self.fingerprint: Fingerprint | None = None
        self._source = source
        self._codec = codec
        self._blockmap = blockmap
        self._stop = stop
        self._reading: Generator[Piece, None, None] | None = None
        if source.size == 0 or not source.head:
            raise source.damaged("is empty")
        if blockmap:
            self._check_size(blockmap, self.size)
            self.size = blockmap.size

    @property
    def progress(self) -> tuple[int, int | None]:
        """Bytes of the stored image that were read, and how many there are."""
        return self._source.position, self._source.size

    @contextmanager
    def pieces(self, *, copy: bool = False) -> Iterator[Iterator[Piece]]:
        """The content, for a worker thread. With `copy`, data that needs no look may come as `InFile`."""
        with closing(self._pieces(copy)) as self._reading:
            try:
                yield self._reading
            except BaseException:
                self._stop.set()
                raise

    async def extents(self) -> AsyncIterator[Extent]:
        with self.pieces() as pieces:
            while batch := await in_thread(
                lambda: [p for p in islice(pieces, GATHER) if isinstance(p, Extent)], self._stop
            ):
                for extent in batch:
                    yield extent

    def stopping(self) -> Stop:
        """What makes the reading stop."""
        return self._stop

    def close(self) -> None:
        """End a reading that was given up half-way."""
        self._stop.set()
        if self._reading:
            self._reading.close()

    def _pieces(self, copy: bool) -> Generator[Piece, None, None]:
        stream = self._codec is not None or not isinstance(self._source, LocalSource)
        copy = copy and not (stream or self.fingerprint or (self._blockmap and self._blockmap.checked))
        found = self._stream() if stream else self._file(copy)
        with closing(found if copy else ahead(found, self._stop, _weight)) as pieces:
            yield from pieces

    def _file(self, copy: bool) -> Generator[Piece, None, None]:
        """An unpacked file of this machine: its holes are never read, its digest is taken beside the rest."""
        assert isinstance(self._source, LocalSource)
        handle, size = self._source.handle, self._source.length
        ranges = self._blockmap.ranges() if self._blockmap else [(0, size)]
        with self._beside(handle, size) as digest:
            if copy:
                yield from file_copies(self._source, handle, ranges)
            else:
                yield from self._inspected(file_content(self._source, handle, ranges))
            self._source.position = size
            if digest:
                self.digest = digest.result().settle(self._source)

    @contextmanager
    def _beside(self, handle: int, size: int) -> Iterator[Future[Digest] | None]:
        if self.checksum is None:
            yield None
            return
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(Digest(self.checksum).of_file, handle, size, self._stop)

    def _stream(self) -> Generator[Piece, None, None]:
        """A packed or remote image: reading and hashing in one thread, unpacking and looking at it in the next."""
        digest = Digest(self.checksum)
        with closing(ahead(self._hashed(digest), self._stop, len)) as chunks:
            pieces = unpacked(self._source, chunks, self._codec) if self._codec else chunks
            ranges = self._blockmap.ranges() if self._blockmap else None
            borders = {end for _, end in ranges or ()}
            length = _Length()
            yield from self._inspected(sparse(positioned(length.of(pieces), ranges), borders))
        if self._blockmap:
            self._check_size(self._blockmap, length.total)
        self.size = length.total
        self.digest = digest.settle(self._source)

    def _hashed(self, digest: Digest) -> Generator[bytes, None, None]:
        for chunk in self._source.chunks():
            digest.hash.update(chunk)
            yield chunk

    def _inspected(self, pieces: Generator[Extent, None, None]) -> Iterator[Extent]:
        extents = self._blockmap.verified(pieces, self.name) if self._blockmap else pieces
        return self.fingerprint.noting(extents) if self.fingerprint else extents

    def _check_size(self, blockmap: BlockMap, size: int | None) -> None:
        if size is not None and size != blockmap.size:
            raise BenchError(
                f"image '{self.name}' has {size} bytes, its block map '{blockmap.name}' is for one of {blockmap.size}",
                blame="config",
                help="one of the two is of another build; bmap: none flashes without the map",
            )


class _Length:
    """Counts what goes through."""

    total = 0

    def of(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.total += len(piece)
            yield piece


def _weight(piece: Piece) -> int:
    return piece.length if isinstance(piece, Extent) and piece.data is not None else 0


@asynccontextmanager
async def open_image(
    source: str | Path,
    *,
    base: Path,
    compression: Compression = "auto",
    checksum: str | None = None,
    bmap: str = "auto",
    token: str | None = None,
) -> AsyncIterator[OpenImage]:
    """Open an image: a path, relative to `base`, or a URL.

    `checksum` is that of the file as it is stored. `bmap` is `auto` (one beside the image, if there is one), `none`, or
    where the block map is. `token` is shown to the web server that has the image, and to no other.

    Raises:
        BenchError: the image or its block map is not there, cannot be read, or is none.
    """
    if token is not None and (str(source).startswith(OCI) or not SCHEME.match(str(source))):
        what = f"image '{source}' cannot be read with this token: it is no web server's"
        raise BenchError(what, blame="config")
    stop = Stop()
    async with _open_source(str(source), base, stop, token) as (found, place):
        codec = find_codec(found, compression)
        blockmap = await _find_blockmap(place, bmap, base, token)
        with closing(OpenImage(found, codec, blockmap, checksum or found.checksum, stop)) as image:
            yield image


@asynccontextmanager
async def _open_source(text: str, base: Path, stop: Stop, token: str | None) -> AsyncIterator[tuple[Source, str]]:
    """What is stored at a path or URL, and that path or URL in full."""
    if text.startswith(OCI):
        async with open_oci(text, stop) as artifact:
            yield artifact, text
        return
    if SCHEME.match(text) and not text.startswith("file://"):
        async with open_remote(text, stop, token) as remote:
            yield remote, text
        return
    path = _path(base, unquote(urlsplit(text).path) if text.startswith("file://") else text)
    with closing(LocalSource(path)) as local:
        yield local, str(path)


async def _find_blockmap(place: str, bmap: str, base: Path, token: str | None) -> BlockMap | None:
    """The block map of the image at `place`."""
    if bmap == "none":
        return None
    for name in _beside(place) if bmap == "auto" else (bmap,):
        if SCHEME.match(name):
            text = await fetch(name, limit=LIMIT, token=of_the_same_server(token, place, name))
        else:
            text = _read(_path(base, name))
        if text is not None:
            return parse_blockmap(text, name)
    if bmap != "auto":
        raise BenchError(f"there is no block map '{bmap}'", blame="config")
    return None


def _beside(place: str) -> Iterable[str]:
    """Where a block map lies when it lies beside its image; nowhere for a URL with a query, which names one thing."""
    if place.startswith(OCI) or (SCHEME.match(place) and "?" in place):
        return ()
    return dict.fromkeys((f"{place}.bmap", f"{SUFFIXES.sub('', place)}.bmap"))


def _path(base: Path, text: str) -> Path:
    return base / Path(text).expanduser()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BenchError(f"block map '{path}' could not be read: {error.strerror}", blame="config") from error

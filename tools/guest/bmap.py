"""A block map (format 2.0 of bmap-tools): which blocks of a sparse image matter."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

BLOCK = 4096
NO_CHECKSUM = "0" * 64


def describe(image: Path) -> str:
    """The map of `image` as XML: what the file system holds no hole for."""
    size = image.stat().st_size
    blocks = -(-size // BLOCK)
    ranges = list(_mapped(image, size))
    lines = "".join(_range(image, first, last) for first, last in ranges)
    text = f"""<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> {size} </ImageSize>
    <BlockSize> {BLOCK} </BlockSize>
    <BlocksCount> {blocks} </BlocksCount>
    <MappedBlocksCount> {sum(last - first + 1 for first, last in ranges)} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> {NO_CHECKSUM} </BmapFileChecksum>
    <BlockMap>
{lines}    </BlockMap>
</bmap>
"""
    return text.replace(NO_CHECKSUM, hashlib.sha256(text.encode()).hexdigest())


def _mapped(image: Path, size: int) -> Iterator[tuple[int, int]]:
    """First and last block of each run of data."""
    with image.open("rb") as file:
        end = 0
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            yield start // BLOCK, (end - 1) // BLOCK


def _range(image: Path, first: int, last: int) -> str:
    with image.open("rb") as file:
        file.seek(first * BLOCK)
        checksum = hashlib.sha256(file.read((last - first + 1) * BLOCK)).hexdigest()
    blocks = f"{first}-{last}" if last > first else f"{first}"
    return f'        <Range chksum="{checksum}"> {blocks} </Range>\n'

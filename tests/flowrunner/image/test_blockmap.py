import re
import subprocess
from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.image import open_image
from flowrunner.image.blockmap import parse_blockmap
from tests.flowrunner.image.conftest import MIB, PACKERS, SparseImage, Web

pytestmark = pytest.mark.anyio


@pytest.fixture
def bmap(image: SparseImage) -> Path:
    """A block map made by the real tool."""
    path = image.path.with_name("disk.img.bmap")
    subprocess.run(["bmaptool", "-q", "create", str(image.path), "-o", str(path)], check=True)
    return path


async def spans(source: str | Path, base: Path, bmap: str = "auto") -> list[tuple[int, int]]:
    """The bytes that a reading gives, as from and up to, joined."""
    found: list[tuple[int, int]] = []
    async with open_image(source, base=base, bmap=bmap) as image:
        async for extent in image.extents():
            start, end = extent.offset, extent.offset + extent.length
            if found and found[-1][1] == start:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
    return found


MAPPED = [(MIB, MIB + 303104), (5 * MIB + 12288, 5 * MIB + 12288 + 40960)]


async def test_one_beside_the_image_is_found_and_only_its_ranges_are_read(image: SparseImage, bmap: Path) -> None:
    assert await spans(image.path, Path("/")) == MAPPED
    assert await spans(image.path, Path("/"), "none") == [(0, 8 * MIB)]
    bmap.rename(bmap.with_name("other"))
    assert await spans(image.path.name, image.path.parent, "other") == MAPPED


async def test_one_of_the_unpacked_image_serves_the_packed_one(image: SparseImage, bmap: Path) -> None:
    image.path.with_name("disk.img.xz").write_bytes(PACKERS["xz"](image.content))
    assert await spans("disk.img.xz", image.path.parent) == MAPPED


async def test_one_beside_a_url_is_found(web: Web, image: SparseImage, bmap: Path) -> None:
    web.files |= {"/disk.img.zst": PACKERS["zstd"](image.content), "/disk.img.bmap": bmap.read_bytes()}
    assert await spans(f"{web.url}/disk.img.zst", Path("/")) == MAPPED
    assert "HEAD /disk.img.zst.bmap" in web.asked


@pytest.mark.parametrize("pack", [None, "xz"])
async def test_a_range_with_another_checksum_is_an_error(image: SparseImage, bmap: Path, pack: str | None) -> None:
    changed = bytearray(image.content)
    changed[MIB + 5000] ^= 1
    image.path.write_bytes(PACKERS[pack](bytes(changed)) if pack else changed)
    with pytest.raises(
        BenchError, match=rf"does not fit its block map '{bmap}': bytes {MIB} to {MIB + 303104}"
    ) as error:
        await spans(image.path, Path("/"))
    assert "bmap: none" in (error.value.help or "")


@pytest.mark.parametrize("pack", [None, "xz"])
async def test_an_image_of_another_size_is_an_error(image: SparseImage, bmap: Path, pack: str | None) -> None:
    content = image.content + bytes(4096)
    image.path.write_bytes(PACKERS[pack](content) if pack else content)
    with pytest.raises(BenchError, match=f"has {len(content)} bytes, its block map .* is for one of {8 * MIB}"):
        await spans(image.path, Path("/"))


async def test_one_that_was_edited_is_an_error(image: SparseImage, bmap: Path) -> None:
    bmap.write_text(bmap.read_text().replace("<BlocksCount> 2048", "<BlocksCount> 2047"))
    with pytest.raises(BenchError, match=r"is no block map: its own sha256 does not fit"):
        await spans(image.path, Path("/"))


async def test_one_that_is_named_and_not_there_is_an_error(image: SparseImage) -> None:
    with pytest.raises(BenchError, match=r"there is no block map 'gone\.bmap'"):
        await spans(image.path, image.path.parent, "gone.bmap")


def test_old_formats_are_read(bmap: Path) -> None:
    text = re.sub(
        r"<BmapFileChecksum>.*</BmapFileChecksum>|<ChecksumType>.*</ChecksumType>| chksum=\"[^\"]*\"",
        "",
        bmap.read_text(),
    )
    found = parse_blockmap(re.sub(r'version="2\.0" ?', 'version="1.2"', text).encode(), "old")
    assert found.ranges() == MAPPED
    assert not found.checked


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hello", "syntax error"),
        ('<bmap version="3.0"/>', r"version 3\.0 is not known"),
        ("<bmap/>", "'version'"),
        ('<bmap version="2.0"><ChecksumType>crc</ChecksumType></bmap>', "checksum type 'crc' is not known"),
        ('<bmap version="2.0"><ImageSize>4096</ImageSize></bmap>', "it has no BlockSize"),
        (
            '<bmap version="2.0"><ImageSize>8192</ImageSize><BlockSize>4096</BlockSize><BlockMap><Range>1</Range>'
            "<Range>0</Range></BlockMap></bmap>",
            "its ranges are not in order",
        ),
        (
            '<bmap version="2.0"><ImageSize>8192</ImageSize><BlockSize>4096</BlockSize><BlockMap><Range>2-3</Range>'
            "</BlockMap></bmap>",
            "range '2-3' is outside of the image",
        ),
        ('<!DOCTYPE x [<!ENTITY a "b">]><bmap version="2.0"/>', "it declares entities"),
    ],
)
def test_says_why_something_is_no_block_map(text: str, why: str) -> None:
    with pytest.raises(BenchError, match=f"'x.bmap' is no block map: {why}"):
        parse_blockmap(text.encode(), "x.bmap")

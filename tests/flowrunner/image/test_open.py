import hashlib
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.image import OpenImage, open_image
from flowrunner.image.content import InFile
from tests.flowrunner.image.conftest import MIB, PACKERS, SUFFIX, SparseImage, Web

pytestmark = pytest.mark.anyio


async def content(image: OpenImage) -> bytes:
    """What the extents say; the size is that of the image."""
    found = bytearray()
    async for extent in image.extents():
        assert extent.offset >= len(found), "extents come in ascending order"
        found += bytes(extent.offset - len(found))
        found += bytes(extent.length) if extent.data is None else extent.data
        assert extent.data is None or len(extent.data) == extent.length
    return bytes(found)


@asynccontextmanager
async def packed(image: SparseImage, name: str) -> AsyncIterator[tuple[Path, OpenImage]]:
    path = image.path.with_name(f"packed{SUFFIX[name]}")
    path.write_bytes(PACKERS[name](image.content))
    async with open_image(path, base=Path("/")) as opened:
        yield path, opened


async def test_finds_the_holes_of_a_local_file_without_reading_them(image: SparseImage) -> None:
    async with open_image(image.path.name, base=image.path.parent) as opened:
        assert opened.size == 8 * MIB
        with opened.pieces(copy=True) as pieces:
            found = list(pieces)
    data = [(piece.offset, piece.length) for piece in found if isinstance(piece, InFile)]
    assert data == [(MIB, 303104), (5 * MIB + 12288, 40960)]  # the file system rounds up to its blocks
    assert sum(piece.length for piece in found) == 8 * MIB


async def test_reads_a_local_file(image: SparseImage) -> None:
    async with open_image(image.path, base=Path("/")) as opened:
        assert await content(opened) == image.content
        assert opened.progress == (8 * MIB, 8 * MIB)
        assert opened.digest is None


@pytest.mark.parametrize("name", PACKERS)
async def test_unpacks_by_content_and_not_by_name(image: SparseImage, name: str) -> None:
    async with packed(image, name) as (path, opened):
        assert opened.size is None
        assert await content(opened) == image.content
        assert opened.size == 8 * MIB
        assert opened.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", PACKERS)
async def test_unpacks_streams_that_follow_each_other_and_padding(tmp_path: Path, name: str) -> None:
    path = tmp_path / "two"
    path.write_bytes(PACKERS[name](b"one" * 50_000) + PACKERS[name](b"two" * 7) + bytes(512))
    async with open_image(path, base=tmp_path) as opened:
        assert await content(opened) == b"one" * 50_000 + b"two" * 7


@pytest.mark.parametrize("name", PACKERS)
async def test_names_the_place_at_which_a_packed_image_is_damaged(tmp_path: Path, name: str) -> None:
    data = bytearray(PACKERS[name](os.urandom(300_000)))
    data[150_000:150_032] = bytes(32)
    path = tmp_path / "broken"
    path.write_bytes(data)
    async with open_image(path, base=tmp_path) as opened:
        with pytest.raises(
            BenchError, match=rf"'{path}' is damaged: no valid {name} data between bytes \d+ and"
        ) as error:
            await content(opened)
    assert error.value.blame == "config"


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("missing", [1, 5, 150_000])
async def test_a_truncated_packed_image_is_an_error(tmp_path: Path, name: str, missing: int) -> None:
    data = PACKERS[name](os.urandom(300_000))[:-missing]
    (tmp_path / "short").write_bytes(data)
    async with open_image("short", base=tmp_path) as opened:
        with pytest.raises(BenchError, match=rf"is truncated: its {name} stream goes on behind byte {len(data)}"):
            await content(opened)


async def test_garbage_behind_a_packed_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(PACKERS["xz"](b"good") + b"and more")
    async with open_image("odd", base=tmp_path) as opened:
        with pytest.raises(BenchError, match="is damaged: what follows at byte 60 is no xz stream"):
            await content(opened)


async def test_compression_none_keeps_it_as_it_is_and_a_wrong_one_is_an_error(tmp_path: Path) -> None:
    data = PACKERS["xz"](b"hello")
    (tmp_path / "x").write_bytes(data)
    async with open_image("x", base=tmp_path, compression="none") as opened:
        assert await content(opened) == data
    with pytest.raises(BenchError, match="is not packed with gz") as error:
        async with open_image("x", base=tmp_path, compression="gz"):
            pass
    assert error.value.help == "it looks like xz"


@pytest.mark.parametrize("pack", [None, *PACKERS])
async def test_the_checksum_is_that_of_the_stored_file(image: SparseImage, pack: str | None) -> None:
    stored = PACKERS[pack](image.content) if pack else image.content
    if pack:
        image.path.write_bytes(stored)
    for algorithm in ("sha256", "sha512"):
        right = f"{algorithm}:{hashlib.new(algorithm, stored).hexdigest()}"
        async with open_image(image.path, base=Path("/"), checksum=right.upper().replace("SHA", "sha")) as opened:
            assert await content(opened) == image.content
            assert opened.digest == right
        wrong = f"{algorithm}:{hashlib.new(algorithm, b'?').hexdigest()}"
        async with open_image(image.path, base=Path("/"), checksum=wrong) as opened:
            with pytest.raises(ExpectationError, match=f"has the checksum {right}, not {wrong}") as error:
                await content(opened)
        assert error.value.blame == "config"


async def test_says_what_is_there_when_an_image_is_not(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(b"x")
    with pytest.raises(BenchError, match=rf"there is no image '{tmp_path}/disc.img'") as error:
        async with open_image("disc.img", base=tmp_path):
            pass
    assert (error.value.blame, error.value.help) == ("config", "in its folder: disk.img")


async def test_a_folder_and_an_empty_file_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name, why in (("empty", "is empty"), (".", "is a folder")):
        with pytest.raises(BenchError, match=why):
            async with open_image(name, base=tmp_path):
                pass


async def test_reads_over_http_with_redirects_and_queries(web: Web, image: SparseImage) -> None:
    web.files["/a%20b.img.xz?token=1%2F2"] = PACKERS["xz"](image.content)
    web.redirects["/latest"] = "/a%20b.img.xz?token=1%2F2"
    for path in ("/a%20b.img.xz?token=1%2F2", "/latest"):
        async with open_image(web.url + path, base=Path("/")) as opened:
            assert await content(opened) == image.content
            assert opened.progress[0] == opened.progress[1] == len(web.files["/a%20b.img.xz?token=1%2F2"])
            assert "token" not in opened.name


async def test_finds_zeros_in_what_comes_over_http(web: Web, image: SparseImage) -> None:
    web.files["/disk.img"] = image.content
    async with open_image(f"{web.url}/disk.img", base=Path("/")) as opened:
        assert opened.size == 8 * MIB
        data = [extent.length async for extent in opened.extents() if extent.data is not None]
    assert sum(data) < 512 * 1024
    assert opened.digest == "sha256:" + hashlib.sha256(image.content).hexdigest()


async def test_reads_where_asking_for_the_size_is_forbidden(web: Web) -> None:
    web.files["/signed?sig=1"] = b"hello"
    web.head = False
    async with open_image(f"{web.url}/signed?sig=1", base=Path("/"), bmap="none") as opened:
        assert await content(opened) == b"hello"


async def test_a_token_is_shown_to_the_server_that_has_the_image_and_to_no_other(web: Web) -> None:
    web.token, elsewhere = True, web.url.replace("127.0.0.1", "localhost")
    web.files["/disk.img"] = b"hello"
    web.redirects["/moved"] = f"{elsewhere}/disk.img"
    with pytest.raises(BenchError, match="the server does not let us read image") as error:
        async with open_image(f"{web.url}/disk.img", base=Path("/"), bmap="none"):
            pass
    assert error.value.help == "set token, if it wants one"
    for path, bmap in (("/disk.img", "auto"), ("/moved", "none"), ("/disk.img", f"{elsewhere}/disk.bmap")):
        web.shown.clear()
        try:
            async with open_image(f"{web.url}{path}", base=Path("/"), token="t0.k-n==", bmap=bmap) as opened:
                assert await content(opened) == b"hello"
        except BenchError as missing:
            assert missing.what.startswith("there is no block map")
        shown = set(web.shown)
        assert "127.0.0.1 Bearer t0.k-n==" in shown
        assert shown <= {"127.0.0.1 Bearer t0.k-n==", "localhost None"}


@pytest.mark.parametrize(
    ("url", "token", "why"),
    [
        ("http://127.0.0.1:1/x", "a\r\nX: y", "it has characters that a token cannot have, or is empty"),
        ("http://127.0.0.1:1/x", "", "it has characters that a token cannot have, or is empty"),
        ("s3://bucket/x", "token", "s3 has logins of its own"),
        ("disk.img", "token", "it is no web server's"),
    ],
)
async def test_a_token_that_makes_no_sense_is_refused_and_not_shown(url: str, token: str, why: str) -> None:
    with pytest.raises(BenchError) as error:
        async with open_image(url, base=Path("/"), token=token, bmap="none"):
            pass
    assert error.value.what == f"image '{url}' cannot be read with this token: {why}"
    assert error.value.blame == "config"


@pytest.mark.parametrize(
    ("url", "blame", "what"),
    [
        ("{web}/none.img", "config", "there is no image '{web}/none.img'"),
        ("http://127.0.0.1:1/x.img", "infra", "image 'http://127.0.0.1:1/x.img' could not be read: .*refused"),
        ("gopher://x/y", "config", "image 'gopher://x/y' cannot be opened"),
    ],
)
async def test_says_whose_fault_it_is_that_a_url_cannot_be_read(web: Web, url: str, blame: str, what: str) -> None:
    with pytest.raises(BenchError, match=what.format(web=web.url)) as error:
        async with open_image(url.format(web=web.url), base=Path("/")):
            pass
    assert error.value.blame == blame
    assert "Backtrace" not in str(error.value)


async def test_a_connection_that_breaks_off_is_an_error(web: Web) -> None:
    web.files["/disk.img"] = os.urandom(4 * MIB)
    web.cut = 3 * MIB
    async with open_image(f"{web.url}/disk.img", base=Path("/"), bmap="none") as opened:
        with pytest.raises(BenchError, match=r"broke off after|ended after") as error:
            await content(opened)
    assert error.value.blame == "infra"


async def test_cancelling_a_stalled_download_ends_at_once_and_leaves_no_thread(web: Web) -> None:
    web.files["/disk.img"] = os.urandom(4 * MIB)
    web.stall, web.cut = threading.Event(), 3 * MIB
    with anyio.move_on_after(0.5) as limit:
        async with open_image(f"{web.url}/disk.img", base=Path("/"), bmap="none") as opened:
            await content(opened)
    assert limit.cancelled_caught
    assert anyio.current_time() - limit.deadline < 1
    assert not [thread for thread in threading.enumerate() if thread.name == "flowrunner-image"]


async def test_leaving_early_closes_everything(image: SparseImage) -> None:
    async with packed(image, "xz") as (_, opened):
        async for _ in opened.extents():
            break
    assert not [thread for thread in threading.enumerate() if thread.name == "flowrunner-image"]

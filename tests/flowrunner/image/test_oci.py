"""Images from a real registry."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import oras.client
import pytest
from backports import zstd

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.image.opened import open_image
from tests.support.machines import echo_disk, machine, read_until

pytestmark = [pytest.mark.anyio, pytest.mark.machine]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A registry with an artifact of one image, one of two, and the folder where it keeps them."""
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{found.getsockname()[1]}"
    store = f"storage: {{filesystem: {{rootdirectory: {folder / 'store'}}}}}"
    (folder / "config.yml").write_text(f"version: 0.1\nlog: {{level: error}}\n{store}\nhttp: {{addr: '{host}'}}\n")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        anyio.run(_listening, host)
        (folder / "root.img").write_bytes(echo_disk("!oci> "))
        (folder / "root.img.zst").write_bytes(zstd.compress(echo_disk("!oci> ")))
        client = oras.client.OrasClient(insecure=True)
        for tag, files in (("one", ["root.img.zst"]), ("two", ["root.img", "root.img.zst"])):
            paths = [str(folder / name) for name in files]
            client.push(target=f"{host}/board:{tag}", files=paths, disable_path_validation=True)
        yield host, folder
    finally:
        server.terminate()
        server.wait()


async def _listening(host: str) -> None:
    name, _, port = host.partition(":")
    with anyio.fail_after(20):
        while True:
            try:
                return await (await anyio.connect_tcp(name, int(port))).aclose()
            except OSError:
                await anyio.sleep(0.02)


async def read(url: str) -> bytes:
    data = bytearray()
    async with open_image(url, base=Path()) as image:
        async for extent in image.extents():
            data[extent.offset :] = bytes(extent.data or bytes(extent.length))
    return bytes(data)


async def test_the_only_image_is_taken_and_of_several_the_one_that_is_named(registry: tuple[str, Path]) -> None:
    host, _ = registry
    assert await read(f"oci://{host}/board:one") == echo_disk("!oci> ")
    with pytest.raises(BenchError, match="has 2 files") as caught:
        await read(f"oci://{host}/board:two")
    assert caught.value.help == "name one behind '#': root.img, root.img.zst"
    assert await read(f"oci://{host}/board:two#root.img") == echo_disk("!oci> ")


async def test_a_machine_boots_from_it(registry: tuple[str, Path]) -> None:
    qemu = machine()
    async with qemu.opened(), qemu.children["console"].connect() as console:  # type: ignore[attr-defined]
        async with open_image(f"oci://{registry[0]}/board:one", base=Path()) as image:
            await qemu.children["flasher"].flash(image)  # type: ignore[attr-defined]
            assert image.digest and image.digest.startswith("sha256:")
        await qemu.core.on()
        assert await read_until(console, b"> ") == b"!oci> "


@pytest.mark.parametrize(
    ("rest", "why"),
    [("/board:none", "it is not there"), ("/nothing:one", "it is not there"), ("/board:one#x", "has no file 'x'")],
)
async def test_what_is_not_there_is_told(registry: tuple[str, Path], rest: str, why: str) -> None:
    with pytest.raises(BenchError, match=why):
        await read(f"oci://{registry[0]}{rest}")


async def test_a_registry_that_is_down_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(BenchError, match="could not be read: Connection refused"):
            await read(f"oci://127.0.0.1:{free.getsockname()[1]}/board:one")


async def test_a_file_that_was_changed_in_the_registry_is_refused(registry: tuple[str, Path]) -> None:
    host, folder = registry
    (blob,) = [p for p in (folder / "store").rglob("data") if p.read_bytes() == (folder / "root.img").read_bytes()]
    whole = blob.read_bytes()
    try:
        blob.write_bytes(whole[:-1] + b"x")
        with pytest.raises(ExpectationError, match="has the checksum sha256:"):
            await read(f"oci://{host}/board:two#root.img")
    finally:
        blob.write_bytes(whole)

"""Images from a real registry."""

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from backports import zstd
from oras.client import OrasClient

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.image.opened import open_image
from tests.support.machines import echo_disk, machine, read_until
from tests.support.registry import PASSWORD, USER, Registry, needs_registry, registry

pytestmark = [pytest.mark.anyio, pytest.mark.machine, needs_registry]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with an artifact of one image, and one of two."""
    folder = tmp_path_factory.mktemp("registry")
    with registry(folder) as running:
        push(running, folder)
        yield running


def push(running: Registry, folder: Path, client: OrasClient | None = None) -> None:
    (folder / "root.img").write_bytes(echo_disk("!oci> "))
    (folder / "root.img.zst").write_bytes(zstd.compress(echo_disk("!oci> ")))
    client = client or OrasClient(insecure=True)
    for tag, files in (("one", ["root.img.zst"]), ("two", ["root.img", "root.img.zst"])):
        paths = [str(folder / name) for name in files]
        client.push(target=f"{running.host}/board:{tag}", files=paths, disable_path_validation=True)


async def read(url: str) -> bytes:
    data = bytearray()
    async with open_image(url, base=Path()) as image:
        async for extent in image.extents():
            data[extent.offset :] = bytes(extent.data or bytes(extent.length))
    return bytes(data)


async def test_the_only_image_is_taken_and_of_several_the_one_that_is_named(server: Registry) -> None:
    host = server.host
    assert await read(f"oci://{host}/board:one") == echo_disk("!oci> ")
    with pytest.raises(BenchError, match="has 2 files") as caught:
        await read(f"oci://{host}/board:two")
    assert caught.value.help == "name one behind '#': root.img, root.img.zst"
    assert await read(f"oci://{host}/board:two#root.img") == echo_disk("!oci> ")


async def test_a_machine_boots_from_it(server: Registry) -> None:
    qemu = machine()
    async with qemu.opened(), qemu.children["console"].connect() as console:  # type: ignore[attr-defined]
        async with open_image(f"oci://{server.host}/board:one", base=Path()) as image:
            await qemu.children["flasher"].flash(image)  # type: ignore[attr-defined]
            assert image.digest and image.digest.startswith("sha256:")
        await qemu.core.on()
        assert await read_until(console, b"> ") == b"!oci> "


@pytest.mark.parametrize(
    ("rest", "why"),
    [("/board:none", "it is not there"), ("/nothing:one", "it is not there"), ("/board:one#x", "has no file 'x'")],
)
async def test_what_is_not_there_is_told(server: Registry, rest: str, why: str) -> None:
    with pytest.raises(BenchError, match=why):
        await read(f"oci://{server.host}{rest}")


async def test_a_locked_registry_is_read_with_the_login_that_docker_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with registry(tmp_path, locked=True) as locked:
        client = OrasClient(insecure=True, auth_backend="basic")
        client.auth.set_basic_auth(USER, PASSWORD)
        push(locked, tmp_path, client)
        with pytest.raises(BenchError, match="could not be read: it is not for us"):
            await read(f"oci://{locked.host}/board:one")
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {locked.host: {"auth": login}}}))
        assert await read(f"oci://{locked.host}/board:one") == echo_disk("!oci> ")


async def test_a_registry_that_is_down_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(BenchError, match="could not be read: Connection refused"):
            await read(f"oci://127.0.0.1:{free.getsockname()[1]}/board:one")


async def test_a_file_that_was_changed_in_the_registry_is_refused(server: Registry) -> None:
    (blob,) = [p for p in server.blobs.rglob("data") if p.read_bytes() == echo_disk("!oci> ")]
    whole = blob.read_bytes()
    try:
        blob.write_bytes(whole[:-1] + b"x")
        with pytest.raises(ExpectationError, match="has the checksum sha256:"):
            await read(f"oci://{server.host}/board:two#root.img")
    finally:
        blob.write_bytes(whole)

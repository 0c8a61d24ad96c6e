"""What a board boots to be flashed: a bundle from a real registry, parts of one's own, and what is said of wrong ones."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowrunner.bundle.bundle import KIND
from flowrunner.errors import BenchError
from flowrunner.registry.artifacts import Artifacts
from flowrunner.registry.reference import Access, Reference
from tests.support.certificates import certificate
from tests.support.loops import needs_root
from tests.support.machines import BytesImage
from tests.support.netboard import lab
from tests.support.registry import PASSWORD, USER, Registry, needs_registry, registry

pytestmark = [pytest.mark.anyio, pytest.mark.machine, needs_root]

IMAGE = os.urandom(300_000)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, Path]]:
    """A registry as companies have it, with a password and a certificate of their own; and that certificate."""
    folder = tmp_path_factory.mktemp("registry")
    tls = certificate(folder)
    with registry(folder, locked=True, tls=tls) as found:
        yield found, tls.certificate


def place(found: Registry, cacert: Path) -> dict[str, Any]:
    """How a flasher reads it."""
    login = {"username": USER, "password": PASSWORD, "insecure": False, "cacert": cacert}
    return {"flasher_bundle": f"{found.host}/flashers/netboard:1.0", **login}


@needs_registry
async def test_a_board_boots_what_a_locked_registry_holds(tmp_path: Path, locked: tuple[Registry, Path]) -> None:
    found, cacert = locked
    access = Access(USER, PASSWORD, insecure=False, cacert=str(cacert))
    async with lab(tmp_path, **place(*locked), cache_dir=tmp_path / "cache") as board:
        with Artifacts(Reference.parse(f"{found.host}/flashers/netboard:1.0"), access, "bundle") as target:
            target.push(tmp_path / "bundle", KIND)
        kernel = (tmp_path / "bundle/kernel").read_bytes()
        shutil.rmtree(tmp_path / "bundle")
        await board.flasher.flash(BytesImage(IMAGE))
        assert board.content(len(IMAGE)) == IMAGE
        assert (tmp_path / "memory-0x1000").read_bytes() == kernel


@needs_registry
@pytest.mark.parametrize(
    ("wrong", "said", "blame"),
    [
        ({"password": "wrong"}, "registry '{host}' does not let us at 'flashers/netboard'", "config"),
        ({"username": None, "password": None}, "registry '{host}' does not let us at 'flashers/netboard'", "config"),
        ({"flasher_bundle": "{host}/flashers/netboard@sha256:" + "0" * 64},
         "bundle '{host}/flashers/netboard@sha256:" + "0" * 64 + "' is not there", "config"),
        ({"cacert": None}, "registry '{host}' could not be trusted: self-signed certificate", "config"),
    ],
)  # fmt: skip
async def test_a_registry_that_refuses_leaves_the_board_alone(
    tmp_path: Path, locked: tuple[Registry, Path], wrong: dict[str, Any], said: str, blame: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    found, _ = locked
    monkeypatch.setenv("HOME", str(tmp_path))
    wrong = {key: value and value.replace("{host}", found.host) for key, value in wrong.items()}
    async with lab(tmp_path, **{**place(*locked), **wrong}, cache_dir=tmp_path / "cache") as board:
        (tmp_path / "power").touch()
        with pytest.raises(BenchError) as error:
            await board.flasher.flash(BytesImage(IMAGE))
        assert (tmp_path / "power").exists()
    assert error.value.what == said.replace("{host}", found.host)
    assert (error.value.blame, PASSWORD in str(error.value)) == (blame, False)


async def test_files_of_ones_own_and_another_variant_take_the_place_of_the_bundles(tmp_path: Path) -> None:
    own: dict[str, Any] = {kind: tmp_path / f"my-{kind}" for kind in ("kernel", "initram")}
    for kind, path in own.items():
        path.write_text(f"my {kind}")
    dtb = "{default: one, address: 0x3000, variants: {one: kernel, two: {file: initrd, bootcmd: boot quietly}}}"
    async with lab(tmp_path, spec={"dtb": dtb}, variant="two", **own) as board:
        await board.flasher.flash(BytesImage(IMAGE))
        assert board.content(len(IMAGE)) == IMAGE
    loaded = [(tmp_path / f"memory-0x{address}").read_bytes() for address in (1000, 2000, 3000)]
    assert loaded == [b"my kernel", b"my initram", (tmp_path / "bundle/initrd").read_bytes()]


async def test_a_file_that_the_bundle_does_not_load_cannot_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "tree").write_text("tree")
    for wrong, said in ({"dtb": tmp_path / "tree"}, "loads no dtb"), ({"variant": "two"}, "has no variant 'two'"):
        async with lab(tmp_path, **wrong) as board:
            with pytest.raises(BenchError, match=said) as error:
                await board.flasher.flash(BytesImage(IMAGE))
            assert error.value.blame == "config"
            assert board.left_safe


@pytest.mark.skipif(shutil.which("zstd") is None, reason="needs zstd")
async def test_an_image_can_travel_as_zstd(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/zstd").symlink_to(str(shutil.which("zstd")))
    async with lab(tmp_path, packing="zstd") as board:
        await board.flasher.flash(BytesImage(IMAGE))
        assert board.content(len(IMAGE)) == IMAGE

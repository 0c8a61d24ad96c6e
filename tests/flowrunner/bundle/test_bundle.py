"""Where bundles come from: folders, tars, and a real registry, which may be locked, down or lying."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowrunner.bundle.bundle import KIND, Bundle, open_bundle
from flowrunner.errors import BenchError
from flowrunner.registry.artifacts import Artifacts
from flowrunner.registry.reference import Access, Reference
from tests.support.registry import PASSWORD, USER, Registry, needs_registry, registry

pytestmark = pytest.mark.anyio

ACCESS = Access(USER, PASSWORD)

MANIFEST = """
apiVersion: jumpstarter.dev/v1alpha1
kind: FlashBundleManifest
metadata: {name: board}
spec:
  bootcmd: boot
  targets: {disk: /dev/vda}
  kernel: {file: data/kernel, address: 0x1000}
"""


def made(folder: Path, kernel: bytes = b"kernel") -> Path:
    """A bundle with a file in a folder."""
    (folder / "data").mkdir(parents=True)
    (folder / "data/kernel").write_bytes(kernel)
    (folder / "manifest.yaml").write_text(MANIFEST)
    return folder


async def opened(name: str, tmp_path: Path, access: Access = ACCESS, *, refresh: bool = False) -> Bundle:
    """The bundle, with a cache of the test's own."""
    return await open_bundle(name, base=tmp_path, access=access, cache=tmp_path / "cache", refresh=refresh)


async def refused(name: str, tmp_path: Path, access: Access = ACCESS) -> BenchError:
    """Why it cannot be opened."""
    with pytest.raises(BenchError) as error:
        await opened(name, tmp_path, access)
    left = tmp_path / "cache"
    assert not left.exists() or not [path for path in left.iterdir() if path.name.startswith(("pull-", "tar-"))]
    return error.value


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with a password."""
    with registry(tmp_path_factory.mktemp("registry"), locked=True) as found:
        yield found


def pushed(found: Registry, folder: Path, tag: str) -> str:
    """Push a folder; returns its digest."""
    with Artifacts(Reference.parse(f"{found.host}/flashers/board:{tag}"), ACCESS, "bundle") as target:
        return target.push(folder, KIND)


async def test_a_folder_is_used_where_it_is(tmp_path: Path) -> None:
    made(tmp_path / "board")
    found = await opened("./board", tmp_path)
    assert (found.folder, found.digest) == (tmp_path / "./board", None)


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.xz"])
async def test_a_tar_is_unpacked_once_as_long_as_it_is_the_same(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"board.{suffix}"
    places = []
    for kernel in (b"one", b"two2"):
        folder = made(tmp_path / kernel.decode(), kernel)
        subprocess.run(["tar", "-caf", path, "-C", folder, "."], check=True)
        for _ in range(2):
            found = await opened(str(path), tmp_path)
            places.append(found.folder)
            assert (found.folder / "data/kernel").read_bytes() == kernel
    assert len(set(places)) == 2


async def test_a_tar_that_is_none_or_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"no tar")
    error = await refused("bad.tar", tmp_path)
    assert error.blame == "config" and "is no tar that can be unpacked" in error.what
    with tarfile.open(tmp_path / "out.tar", "w") as tar:
        tar.add(made(tmp_path / "board") / "manifest.yaml", "../../escaped")
    assert "is no tar that can be unpacked" in (await refused("out.tar", tmp_path)).what
    assert not (tmp_path.parent / "escaped").exists()


@pytest.mark.parametrize("name", ["board", "./gone", "/gone.tar", "registry.example.com/UPPER:1"])
async def test_a_name_that_means_nothing_says_what_it_may_be(tmp_path: Path, name: str) -> None:
    error = await refused(name, tmp_path)
    assert error.blame == "config"
    assert error.help


@needs_registry
async def test_a_pushed_bundle_comes_back_and_is_kept_by_its_digest(tmp_path: Path, locked: Registry) -> None:
    folder = made(tmp_path / "board", os.urandom(3_000_000))
    digest = pushed(locked, folder, "1.0")
    by_tag = await opened(f"{locked.host}/flashers/board:1.0", tmp_path)
    pinned = await opened(f"oci://{locked.host}/flashers/board@{digest}", tmp_path)
    assert by_tag.digest == pinned.digest == digest
    assert by_tag.folder == pinned.folder == tmp_path / "cache" / digest.replace(":", "-")
    assert (by_tag.folder / "data/kernel").read_bytes() == (folder / "data/kernel").read_bytes()
    assert pushed(locked, folder, "1.1") == digest


@needs_registry
async def test_a_pinned_bundle_needs_no_registry_and_a_tag_does(tmp_path: Path) -> None:
    with registry(tmp_path) as found:
        digest = pushed(found, made(tmp_path / "board"), "1.0")
        await opened(f"{found.host}/flashers/board:1.0", tmp_path)
    assert (await opened(f"{found.host}/flashers/board@{digest}", tmp_path)).digest == digest
    error = await refused(f"{found.host}/flashers/board:1.0", tmp_path)
    assert error.what == f"registry '{found.host}' did not answer: Connection refused"
    assert error.blame == "infra"


@needs_registry
async def test_a_tag_that_moved_is_followed_and_a_digest_is_not(tmp_path: Path, locked: Registry) -> None:
    first = pushed(locked, made(tmp_path / "one", b"one"), "moving")
    assert (await opened(f"{locked.host}/flashers/board:moving", tmp_path)).digest == first
    second = pushed(locked, made(tmp_path / "two", b"two"), "moving")
    assert (await opened(f"{locked.host}/flashers/board:moving", tmp_path)).digest == second != first
    error = await refused(f"{locked.host}/flashers/board:moving@sha256:{'0' * 64}", tmp_path)
    assert error.what.endswith("is not there") and error.blame == "config"


@needs_registry
@pytest.mark.parametrize("access", [Access(), Access(USER, "wrong")])
async def test_a_locked_registry_says_who_may_not(tmp_path: Path, locked: Registry, access: Access) -> None:
    error = await refused(f"{locked.host}/flashers/board:1.0", tmp_path, access)
    assert error.what == f"registry '{locked.host}' does not let us at 'flashers/board'"
    assert error.blame == "config" and "OCI_USERNAME" in (error.help or "")
    assert "wrong" not in str(error)


@needs_registry
async def test_content_that_is_not_what_its_digest_says_is_refused(tmp_path: Path, locked: Registry) -> None:
    pushed(locked, made(tmp_path / "board", b"the true kernel"), "rotten")
    blob = next(path for path in locked.blobs.rglob("data") if path.read_bytes() == b"the true kernel")
    blob.write_bytes(b"the evil kernel")
    error = await refused(f"{locked.host}/flashers/board:rotten", tmp_path)
    assert "is damaged: a file of it is sha256:" in error.what


@needs_registry
async def test_a_missing_tag_is_told(tmp_path: Path, locked: Registry) -> None:
    error = await refused(f"{locked.host}/flashers/nobody:1", tmp_path)
    assert error.what == f"bundle '{locked.host}/flashers/nobody:1' is not there"


@needs_registry
def test_the_command_line_pushes_checks_and_pulls(tmp_path: Path, locked: Registry) -> None:
    made(tmp_path / "board")
    cache = {"XDG_CACHE_HOME": str(tmp_path), "OCI_USERNAME": USER, "OCI_PASSWORD": PASSWORD}

    def flow(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flowrunner", "bundle", *arguments], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, **cache, **environment}, timeout=60,
        )  # fmt: skip

    there = f"{locked.host}/flashers/cli"
    done = flow("push", "board", f"{there}:2")
    assert done.returncode == 0, done.stderr
    pinned = done.stdout.strip()
    assert pinned.startswith(f"{there}@sha256:")
    pulled = flow("pull", pinned).stdout.splitlines()
    assert pulled[0] == pinned.partition("@")[2] and Path(pulled[1], "data/kernel").read_bytes() == b"kernel"
    assert flow("check", f"{there}:2").stdout.splitlines()[1:] == [
        "  kernel   data/kernel (6B) at 0x1000",
        "  targets  disk: /dev/vda",
    ]
    refused = flow("check", f"{there}:2", OCI_PASSWORD="wrong")
    assert refused.returncode == 3 and "does not let us" in refused.stderr
    (tmp_path / "board/data/kernel").unlink()
    wrong = flow("push", "board", f"{there}:3")
    assert wrong.returncode == 2 and "manifest.yaml:8:18: error: there is no file 'data/kernel'" in wrong.stderr

import os
from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner_steps.ssh.put import Put
from tests.support.context import RecordingContext
from tests.support.ssh import ssh_device

pytestmark = pytest.mark.anyio


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder with files, a link, and modes, in the pipeline's folder."""
    build = tmp_path / "build"
    (build / "lib/empty").mkdir(parents=True)
    (build / "app").write_bytes(os.urandom(3_000_000))
    (build / "app").chmod(0o755)
    for number in range(12):
        (build / f"lib/{number}.so").write_text(str(number))
    (build / "lib/latest.so").symlink_to("11.so")
    (build / "lib").chmod(0o750)
    return build


async def put(folder: Path, **step: object) -> tuple[object, RecordingContext]:
    async with ssh_device(folder) as device:
        context = RecordingContext(folder, device)
        return await Put.model_validate(step).run(context), context


async def test_a_file_gets_the_name_and_the_mode(tmp_path: Path, build: Path) -> None:
    out, context = await put(tmp_path, files="build/app", to=f"{tmp_path}/dut/opt/app.bin")
    there = tmp_path / "dut/opt/app.bin"
    assert there.read_bytes() == (build / "app").read_bytes()
    assert there.stat().st_mode & 0o777 == 0o755
    assert (out.path, out.files, out.bytes) == (str(there), 1, 3_000_000)  # type: ignore[attr-defined]
    assert context.told.progress[-1][:2] == (3_000_000, 3_000_000)
    await put(tmp_path, files="build/app", to=f"{tmp_path}/dut/opt/", mode="0600")
    assert (tmp_path / "dut/opt/app").stat().st_mode & 0o777 == 0o600


async def test_a_folder_comes_with_modes_links_and_empty_folders(tmp_path: Path, build: Path) -> None:
    there = tmp_path / "dut/app"
    there.mkdir(parents=True)
    (there / "kept").write_text("mine")
    await put(tmp_path, files="build", to=str(there))
    assert (there / "kept").read_text() == "mine"
    assert (there / "lib").stat().st_mode & 0o777 == 0o750
    assert (there / "lib/empty").is_dir()
    assert (there / "lib/latest.so").readlink() == Path("11.so")
    assert sorted(os.listdir(there / "lib")) == sorted(os.listdir(build / "lib"))
    await put(tmp_path, files="build/lib", to=f"{there}/", verify=False)
    assert (there / "lib/latest.so").read_text() == "11"


async def test_patterns_and_several_go_into_a_folder(tmp_path: Path, build: Path) -> None:
    there = tmp_path / "dut"
    await put(tmp_path, files=["build/lib/1*.so", "build/app"], to=f"{there}/")
    assert sorted(os.listdir(there)) == ["1.so", "10.so", "11.so", "app"]
    with pytest.raises(BenchError, match="3 files and folders cannot all be called") as error:
        await put(tmp_path, files="build/lib/1*.so", to=str(there))
    assert error.value.help == f"to: {there}/ puts them into that folder"


async def test_what_is_not_here_is_said(tmp_path: Path, build: Path) -> None:
    for files, why in (
        ("build/none", "cannot be read: No such file"),
        ("build/*.none", "no file matches 'build/.*none'"),
    ):
        with pytest.raises(BenchError, match=why) as error:
            await put(tmp_path, files=files, to="/tmp/")
        assert error.value.blame == "config"

import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import BenchError
from flowrunner_steps.ssh.get import Get
from tests.support.context import RecordingContext
from tests.support.ssh import ssh_device

pytestmark = pytest.mark.anyio


@pytest.fixture
def dut(tmp_path: Path) -> Path:
    """A folder of the device."""
    dut = tmp_path / "dut"
    (dut / "log/old").mkdir(parents=True)
    (dut / "log/messages").write_bytes(os.urandom(2_000_000))
    (dut / "log/messages").chmod(0o640)
    (dut / "log/old/a").write_text("a")
    (dut / "log/last").symlink_to("old/a")
    return dut


async def fetch(folder: Path, **step: object) -> tuple[Any, RecordingContext]:
    async with ssh_device(folder) as device:
        context = RecordingContext(folder, device)
        return await Get.model_validate(step).run(context), context


async def test_a_file_is_an_artifact(tmp_path: Path, dut: Path) -> None:
    out, context = await fetch(tmp_path, path=f"{dut}/log/messages")
    [artifact] = context.told.artifacts
    assert (artifact.name, out.path) == ("messages", str(artifact))
    assert artifact.read_bytes() == (dut / "log/messages").read_bytes()
    assert (out.files, out.bytes) == (1, 2_000_000)
    assert os.listdir(context.work) == []


async def test_a_folder_is_a_packed_artifact(tmp_path: Path, dut: Path) -> None:
    _, context = await fetch(tmp_path, path=f"{dut}/log/", save="logs")
    [artifact] = context.told.artifacts
    assert artifact.name == "logs.tar.gz"
    with tarfile.open(artifact) as archive:
        assert sorted(archive.getnames()) == ["log", "log/last", "log/messages", "log/old", "log/old/a"]
        assert archive.getmember("log/last").linkname == "old/a"


async def test_goes_to_a_name_or_into_a_folder_with_its_mode(tmp_path: Path, dut: Path) -> None:
    (tmp_path / "here").mkdir()
    await fetch(tmp_path, path=f"{dut}/log/messages", to="here")
    await fetch(tmp_path, path=f"{dut}/log/messages", to="new/name")
    for place in ("here/messages", "new/name"):
        assert (tmp_path / place).read_bytes() == (dut / "log/messages").read_bytes()
        assert (tmp_path / place).stat().st_mode & 0o777 == 0o640
    await fetch(tmp_path, path=f"{dut}/log", to="logs")
    assert (tmp_path / "logs/last").readlink() == Path("old/a")
    assert (tmp_path / "logs/old/a").read_text() == "a"


async def test_what_is_not_there_leaves_nothing_here(tmp_path: Path, dut: Path) -> None:
    os.mkfifo(dut / "pipe")
    for path, why in ((f"{dut}/none", "there is no file"), (f"{dut}/pipe", "is neither a file nor a folder")):
        with pytest.raises(BenchError, match=why):
            await fetch(tmp_path, path=path, to="out")
    assert not (tmp_path / "out").exists()


async def test_a_log_that_grows_is_fetched_as_far_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "dut").mkdir()
    command = f"i=0; while [ $i -lt 100000 ]; do echo line $i; i=$((i+1)); done >> {tmp_path}/dut/log"
    with subprocess.Popen(["sh", "-c", command]) as writer:
        try:
            await fetch(tmp_path, path=f"{tmp_path}/dut/log", to="out")
        finally:
            writer.kill()
    assert (tmp_path / "dut/log").read_bytes().startswith((tmp_path / "out").read_bytes())


async def test_a_file_that_is_written_to_meanwhile_is_not_taken_for_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"came here with the SHA-256 .*, and has .* on the device") as error:
        await fetch(tmp_path, path="/proc/sys/kernel/random/uuid", to="out")
    assert "verify: false" in (error.value.help or "")
    assert [name for name in os.listdir(tmp_path) if "out" in name] == []
    await fetch(tmp_path, path="/proc/sys/kernel/random/uuid", to="out", verify=False)
    assert len((tmp_path / "out").read_text()) == 37

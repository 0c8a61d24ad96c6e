"""Loading files at the prompt of real U-Boot, from QEMU's own TFTP server."""

import zlib
from pathlib import Path

import pytest

from flowrunner.console.uboot import UbootShell
from flowrunner.errors import ExpectationError
from flowrunner_steps.uboot.load import Load
from tests.steps.uboot.conftest import Booted
from tests.support.context import RecordingContext

pytestmark = pytest.mark.machine


def test_loads_a_file_and_says_how_large_it_was(uboot: Booted, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "image.bin").write_bytes(content)

    async def work(context: RecordingContext) -> None:
        shell = UbootShell(context.console())
        await shell.dhcp()
        found = await Load(file="image.bin", server="10.0.2.2").run(context)
        assert (found.bytes, found.address) == (len(content), "$loadaddr")
        summed = await shell.checked("crc32 $loadaddr $filesize")
        assert f"{zlib.crc32(content):08x}" in summed

    uboot(work)


def test_a_file_that_is_not_there_is_a_failure_in_the_servers_words(uboot: Booted) -> None:
    async def work(context: RecordingContext) -> None:
        await UbootShell(context.console()).dhcp()
        with pytest.raises(ExpectationError, match=r"nothing\.bin.*TFTP error: ") as raised:
            await Load(file="nothing.bin", server="10.0.2.2", tries=1).run(context)
        assert raised.value.said

    uboot(work)

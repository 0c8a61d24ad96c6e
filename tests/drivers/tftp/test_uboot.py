"""The client that matters: real U-Boot, over a tap."""

import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.support.netboot import FIRMWARE

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path(FIRMWARE).exists() or shutil.which("qemu-system-aarch64") is None,
        reason="needs root, u-boot-qemu and qemu-system-arm",
    ),
]


def said(folder: Path, *commands: str) -> list[tuple[int, str]]:
    """What U-Boot answers to commands, with status."""
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.support.netboot", str(folder), *commands],
        capture_output=True, text=True, timeout=180, cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [(status, text) for status, text in json.loads(done.stdout)]


def test_uboot_loads_files_whole_in_blocks_and_windows_of_its_choice(tmp_path: Path) -> None:
    (tmp_path / "root/boot").mkdir(parents=True)
    content = os.urandom(5_000_001)
    (tmp_path / "root/boot/Image").write_bytes(content)
    load, check = "tftpboot $loadaddr boot/Image", "crc32 $loadaddr $filesize"
    answers = said(
        tmp_path,
        load, check,
        "setenv tftpblocksize 512", load, check,
        "setenv tftpwindowsize 8", load, check,
        "tftpboot $loadaddr gone",
        "tftpboot $loadaddr ../secret",
        "tftpboot $loadaddr /etc/passwd",
    )  # fmt: skip
    crc = f"{zlib.crc32(content):08x}"
    for loaded, checked in (answers[0:2], answers[3:5], answers[6:8]):
        assert loaded[0] == 0 and "Bytes transferred = 5000001" in loaded[1]
        assert checked[1].rstrip().endswith(crc)
    for (status, text), code in zip(answers[8:], (1, 2, 2), strict=True):
        assert status != 0
        assert re.search(rf"TFTP error: '.+' \({code}\)", text)

import os
import subprocess
from pathlib import Path

import pytest

from tools.build_guest import cells
from tools.guest import archive, bmap


def test_the_ram_disk_is_an_archive_that_cpio_reads(tmp_path: Path) -> None:
    entries = {
        "bin": archive.folder(),
        "bin/tool": archive.file(b"#!/bin/sh\n", 0o755),
        "bin/other": archive.link("tool"),
        "odd": archive.file(b"abc"),
    }
    subprocess.run(
        ["cpio", "--extract", "--quiet", "--preserve-modification-time"],
        input=archive.newc(entries, 1_700_000_000), cwd=tmp_path, check=True,
    )  # fmt: skip
    assert (tmp_path / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "bin/other").readlink() == Path("tool")
    assert (tmp_path / "odd").read_bytes() == b"abc"
    assert (tmp_path / "odd").stat().st_mtime == 1_700_000_000


def test_the_block_map_is_one_that_bmaptool_copies_by(tmp_path: Path) -> None:
    image, copy = tmp_path / "a.img", tmp_path / "b.img"
    with image.open("wb") as file:
        for offset in (0, 1 << 20, 3 << 20):
            file.seek(offset)
            file.write(os.urandom(5000))
        file.truncate(4 << 20)
    (tmp_path / "a.bmap").write_text(bmap.describe(image))
    copy.write_bytes(b"\xff" * (4 << 20))
    subprocess.run(["bmaptool", "-q", "copy", "--bmap", tmp_path / "a.bmap", image, copy], check=True)
    with image.open("rb") as old, copy.open("rb") as new:
        for offset in (0, 1 << 20, 3 << 20):
            old.seek(offset)
            new.seek(offset)
            assert old.read(5000) == new.read(5000)
    assert bmap.describe(image).count("<Range") == 3


@pytest.mark.parametrize(("text", "shown"), [("", 0), ("a##b#", 3), ("#" * 90, 80)])
def test_a_row_of_the_screen_has_80_cells(text: str, shown: int) -> None:
    row = cells(text, "\033[44m")
    plain = row.replace("\033[44m", "").replace("\033[47m", "")
    assert len(plain) == 80
    assert "#" not in plain
    assert sum(len(part.partition("\033[44m")[0]) for part in row.split("\033[47m")[1:]) == shown

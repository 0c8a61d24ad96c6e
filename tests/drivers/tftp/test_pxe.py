"""A machine that boots from the network: the PXE ROM that QEMU puts into its network cards, which is iPXE."""

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from flowrunner_drivers.http.server import HttpServer
from flowrunner_drivers.tftp.server import Tftp

ROM = Path("/usr/lib/ipxe/qemu/efi-virtio.rom")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.machine,
    pytest.mark.skipif(
        not ROM.exists() or shutil.which("qemu-system-x86_64") is None, reason="needs qemu-system-x86 and ipxe-qemu"
    ),
]

GATEWAY = "10.0.2.2"
"""How a guest of QEMU's user network calls this host. It answers TFTP itself, but only at port 69."""

SCRIPT = """#!ipxe
imgfetch {tftp}
imgfetch {http}
imgfetch {gone} || imgfetch {end}
"""


async def test_the_rom_fetches_its_script_and_files_over_tftp_and_http(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    config = {"root_dir": tmp_path, "host": "127.0.0.1", "address": GATEWAY, "port": 0}
    tftp, http = Tftp.make(config), HttpServer.make(config)
    assert isinstance(tftp, Tftp) and isinstance(http, HttpServer)
    async with tftp.opened(), http.opened():
        (tmp_path / "kernel").write_bytes(os.urandom(3_000_000))
        (tmp_path / "end").write_bytes(b"end")
        (tmp_path / "boot.ipxe").write_text(
            SCRIPT.format(
                tftp=await tftp.url("kernel"),
                http=await http.url("kernel"),
                gone=await tftp.url("gone"),
                end=await tftp.url("end"),
            )
        )
        card = f"user,id=n0,bootfile={await tftp.url('boot.ipxe')}"
        machine = await asyncio.create_subprocess_exec(
            "qemu-system-x86_64", "-nodefaults", "-display", "none", "-m", "128", "-boot", "n", "-netdev", card,
            "-device", "virtio-net-pci,netdev=n0",
        )  # fmt: skip
        try:
            async with asyncio.timeout(90):
                while "got 'end'" not in caplog.text:
                    await asyncio.sleep(0.05)
        finally:
            machine.kill()
            await machine.wait()
    assert re.search(r"TFTP: \S+ got 'kernel': 2\.86MiB \(3000000 bytes\)", caplog.text)
    assert "GET 'kernel': 200, 2.86MiB" in caplog.text
    assert "did not get 'gone': there is no such file" in caplog.text

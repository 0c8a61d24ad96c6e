"""A cloud-init disk: the NoCloud data source (cloudinit.readthedocs.io, reference/datasources/nocloud)."""

from __future__ import annotations

import json
from pathlib import Path

from flowrunner_drivers.machine._qemu.config import QemuConfig


def write_seed(config: QemuConfig, folder: Path) -> Path:
    """Write the files that QEMU shows the guest as a FAT disk with the label CIDATA; JSON is YAML, too."""
    folder.mkdir(exist_ok=True)
    user = {
        "name": config.username,
        "plain_text_passwd": config.password,
        "lock_passwd": False,
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
    }
    data = {"ssh_pwauth": True, "users": [user]}
    meta = {"instance-id": config.hostname, "local-hostname": config.hostname}
    (folder / "user-data").write_text(f"#cloud-config\n{json.dumps(data, indent=1)}\n")
    (folder / "meta-data").write_text(f"{json.dumps(meta, indent=1)}\n")
    return folder

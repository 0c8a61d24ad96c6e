"""A cloud-init disk: the NoCloud data source (cloudinit.readthedocs.io, reference/datasources/nocloud)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from flowrunner.errors import BenchError
from flowrunner_drivers.machine._qemu.config import Document, QemuConfig

LABEL = "cidata"
KEY_TYPES = ("ssh-", "ecdsa-", "sk-")
"""How a public key begins, sshd(8)."""


def write_seed(config: QemuConfig, path: Path) -> Path:
    """Write the disk, an ISO 9660 file system with Rock Ridge and Joliet names, readable by us only.

    Raises:
        BenchError: a file that the config names cannot be read.
    """
    import pycdlib  # takes 30 ms, and most machines have no such disk

    files = seed_files(config)
    disk = pycdlib.PyCdlib()
    disk.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    for number, (name, text) in enumerate(files.items()):
        data = text.encode()
        disk.add_fp(BytesIO(data), len(data), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        disk.write_fp(file)
    disk.close()
    return path


def seed_files(config: QemuConfig) -> dict[str, str]:
    """The disk's files by name; JSON is YAML, too.

    A guest runs cloud-init again when its instance-id is another one, so that changes with what is in the files.

    Raises:
        BenchError: a file that the config names cannot be read.
    """
    files = {"user-data": _user_data(config)}
    if config.network_config is not None:
        files["network-config"] = _text(config.network_config)
    digest = hashlib.sha256("\0".join(files.values()).encode()).hexdigest()[:8]
    meta = {"instance-id": f"{config.hostname}-{digest}", "local-hostname": config.hostname}
    return files | {"meta-data": _json(meta | config.meta_data)}


def _user_data(config: QemuConfig) -> str:
    if isinstance(config.user_data, Path):
        return _text(config.user_data)
    user = {
        "name": config.username,
        "plain_text_passwd": config.password,
        "lock_passwd": False,
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
    }
    keys = list(_keys(config.ssh_keys))
    if keys:
        user["ssh_authorized_keys"] = keys
    return "#cloud-config\n" + _json({"ssh_pwauth": True, "users": [user]} | (config.user_data or {}))


def _keys(given: Iterable[str]) -> Iterable[str]:
    for key in given:
        lines = [key] if key.startswith(KEY_TYPES) else _text(Path(key).expanduser()).splitlines()
        yield from (line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _text(document: Document) -> str:
    if isinstance(document, dict):
        return _json(document)
    try:
        return document.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BenchError(f"'{document}' could not be read for cloud-init: {why}", blame="config") from error


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1) + "\n"

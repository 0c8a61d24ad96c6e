"""Exporter files of Jumpstarter name its classes: each of them has a driver of ours, which takes each of their keys."""

from __future__ import annotations

import json
import subprocess
from functools import cache

import pytest
from pydantic import ValidationError

from flowrunner.bench.aliases import COMPOSITES, PROXIES, driver_type
from tests.support.peers import BIN

pytestmark = pytest.mark.peer

FAMILIES = (
    "composite", "flashers", "http", "network", "opendal", "power", "pyserial", "qemu", "shell", "ssh", "tftp", "uboot",
    "vnc",
)  # fmt: skip

ASK = """
import dataclasses, importlib, inspect, json, sys
from jumpstarter.driver import Driver
common = {field.name for field in dataclasses.fields(Driver)}
found = {}
for family in sys.argv[1:]:
    module = importlib.import_module(f"jumpstarter_driver_{family}.driver")
    for name, each in inspect.getmembers(module, inspect.isclass):
        if each.__module__ == module.__name__ and issubclass(each, Driver) and not inspect.isabstract(each):
            keys = [field.name for field in dataclasses.fields(each) if field.init and field.name not in common]
            found[f"{module.__name__}.{name}"] = keys
print(json.dumps(found))
"""
"""Which drivers they have, with the keys of their configs."""

OWN = {
    "jumpstarter_driver_qemu.driver.QemuFlasher": "a part that their Qemu makes",
    "jumpstarter_driver_qemu.driver.QemuPower": "a part that their Qemu makes",
}
"""Those that no file names."""

STATE = {
    "jumpstarter_driver_opendal.driver.MockFlasher": {"_tempdir"},
    "jumpstarter_driver_opendal.driver.MockStorageMux": {"file"},
    "jumpstarter_driver_opendal.driver.MockStorageMuxFlasher": {"file"},
}
"""What they hold open, which is no text that a file could give."""


@cache
def theirs() -> dict[str, list[str]]:
    done = subprocess.run([BIN / "python", "-c", ASK, *FAMILIES], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def unknown(path: str, key: str) -> bool:
    """Whether our driver has no such key; whether it takes this value is not asked."""
    try:
        driver_type(path)[1].config_model().model_validate({key: None})
    except ValidationError as error:
        return any(detail["type"] == "extra_forbidden" for detail in error.errors())
    return False


def test_each_driver_of_theirs_has_one_of_ours_that_takes_its_keys() -> None:
    found = theirs()
    assert found.keys() >= OWN.keys() | STATE.keys()
    for path in found.keys() - OWN.keys() - set(PROXIES) - set(COMPOSITES):
        missing = {key for key in found[path] if unknown(path, key)}
        assert missing == STATE.get(path, set()), path

"""Exporter files written for Jumpstarter load as they are: the same classes, the same keys, the same tree."""

from pathlib import Path

import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.errors import PipelineErrors

FILES = sorted((Path(__file__).parent / "jumpstarter").glob("*.yaml"))

TREES = {
    "board": {"serial": "console.serial", "loop": "console.serial", "shell": "shell.command"},
    "files": dict.fromkeys(("disk", "memory", "web", "bucket"), "files.opendal"),
    "network": {
        "tcp": "network.tcp", "hidden": "network.tcp", "udp": "network.udp", "unix": "network.unix",
        "vsock": "network.vsock", "dbus": "network.dbus", "echo": "network.echo", "websocket": "network.websocket",
    },
    "qemu": {"qemu": "machine.qemu", "small": "machine.qemu"},
    "servers": {"http": "http.server", "tftp": "tftp.server"},
    "virtual": {
        "power": "power.virtual", "sync": "power.virtual", "flasher": "storage.virtual_flasher",
        "mux": "storage.virtual", "storage": "storage.virtual", "nested": "composite", "alias": "network.echo",
        "proxy": "composite",
    },
    "vnc": {"vnc": "video.vnc"},
}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_jumpstarter_loads_unchanged(path: Path) -> None:
    device = Bench(load_exporter(path), "dut").device()
    assert {name: node.type for name, node in device.children.items()} == TREES[path.stem]


def test_a_proxy_is_what_it_stands_for() -> None:
    device = Bench(load_exporter(Path(__file__).parent / "jumpstarter/virtual.yaml"), "dut").device()
    assert device.at("alias").client is device.at("nested.deeper.echo").client
    assert device.at("proxy.power").client is device.at("nested.power").client


def test_a_class_that_nobody_stands_in_for_is_told_with_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("export:\n  net: {type: jumpstarter_driver_network.driver.TcpNetwrk}\n")
    with pytest.raises(PipelineErrors) as error:
        Bench(load_exporter(tmp_path / "e.yaml"), "dut")
    (found,) = error.value.errors
    assert found.what == "no driver stands in for the class 'jumpstarter_driver_network.driver.TcpNetwrk'"
    assert found.help
    assert "did you mean 'jumpstarter_driver_network.driver.TcpNetwork'" in found.help
    assert str(found.where).endswith("e.yaml:2:15")

"""Exporter files of Jumpstarter that name these boards run unchanged."""

from pathlib import Path

import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner_drivers.flasher._config import FlasherConfig
from flowrunner_drivers.flasher._flasher import BaseFlasher
from flowrunner_drivers.flasher.rcar_s4 import RcarS4Flasher
from flowrunner_drivers.flasher.ti_j784s4 import TiJ784s4Flasher

FILE = """
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
export:
  serial: {{type: console.serial, config: {{url: "loop://"}}}}
  power: {{type: jumpstarter_driver_power.driver.MockPower}}
  storage:
    type: jumpstarter_driver_flashers.driver.{name}
    config: {{tftp_dir: {folder}/tftp, http_dir: {folder}/http, cache_dir: {folder}/cache}}
    children:
      serial: {{ref: serial}}
      power: {{ref: power}}
"""


@pytest.mark.parametrize(
    ("name", "kind", "bundle"),
    [
        ("RCarS4Flasher", RcarS4Flasher, "jumpstarter-flasher-rcar-s4"),
        ("TIJ784S4Flasher", TiJ784s4Flasher, "jumpstarter-flasher-ti-j784s4"),
    ],
)
def test_stands_in_for_jumpstarters_class_with_its_bundle(
    tmp_path: Path, name: str, kind: type[BaseFlasher[FlasherConfig]], bundle: str
) -> None:
    (tmp_path / "bench.yaml").write_text(FILE.format(name=name, folder=tmp_path))
    driver = Bench(load_exporter(tmp_path / "bench.yaml"), "dut").root.children["storage"].driver
    assert isinstance(driver, kind)
    assert driver.config.flasher_bundle == f"quay.io/jumpstarter-dev/{bundle}:latest"
    assert set(driver.children) == {"serial", "power", "tftp", "http"}

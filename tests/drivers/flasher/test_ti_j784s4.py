"""Exporter files of Jumpstarter that name this board run unchanged."""

from pathlib import Path

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
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


def test_stands_in_for_jumpstarters_class_with_its_bundle(tmp_path: Path) -> None:
    (tmp_path / "bench.yaml").write_text(FILE.format(name="TIJ784S4Flasher", folder=tmp_path))
    bench = Bench(load_exporter(tmp_path / "bench.yaml"), "dut")
    driver = bench.root.children["storage"].driver
    assert isinstance(driver, TiJ784s4Flasher)
    assert driver.config.flasher_bundle == "quay.io/jumpstarter-dev/jumpstarter-flasher-ti-j784s4:latest"
    assert set(driver.children) == {"serial", "power", "tftp", "http"}

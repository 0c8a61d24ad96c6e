"""Benches of Jumpstarter that name one of its flashers."""

from pathlib import Path
from typing import Any

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter

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


def loaded(name: str, folder: Path) -> Any:
    """Our driver for Jumpstarter's class `name`."""
    (folder / "bench.yaml").write_text(FILE.format(name=name, folder=folder))
    return Bench(load_exporter(folder / "bench.yaml"), "dut").root.children["storage"].driver

"""Exporter files of Jumpstarter that name this board run unchanged."""

from pathlib import Path

from flowrunner_drivers.flasher.rcar_s4 import RcarS4Flasher
from tests.support.presets import loaded


def test_stands_in_for_jumpstarters_class_with_its_bundle(tmp_path: Path) -> None:
    driver = loaded("RCarS4Flasher", tmp_path)
    assert isinstance(driver, RcarS4Flasher)
    assert driver.config.flasher_bundle == "quay.io/jumpstarter-dev/jumpstarter-flasher-rcar-s4:latest"
    assert set(driver.children) == {"serial", "power", "tftp", "http"}

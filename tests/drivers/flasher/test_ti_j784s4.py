"""Exporter files of Jumpstarter that name this board run unchanged."""

from pathlib import Path

from flowrunner_drivers.flasher.ti_j784s4 import TiJ784s4Flasher
from tests.support.presets import loaded


def test_stands_in_for_jumpstarters_class_with_its_bundle(tmp_path: Path) -> None:
    driver = loaded("TIJ784S4Flasher", tmp_path)
    assert isinstance(driver, TiJ784s4Flasher)
    assert driver.config.flasher_bundle == "quay.io/jumpstarter-dev/jumpstarter-flasher-ti-j784s4:latest"
    assert set(driver.children) == {"serial", "power", "tftp", "http"}

"""The page about SSH is true: its bench builds, its steps compile."""

import re
from pathlib import Path

import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.ssh.settings import SshSettings
from tests.support.compiler import Bench as Compiler

PAGE = (Path(__file__).parents[3] / "docs" / "ssh.md").read_text()
BENCH, *STEPS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
HEAD = "flow: 1\nname: example\nsecrets: {token: {}, password: {}}\ndevices: {dut: board=any}\n"


def test_its_bench_builds(tmp_path: Path) -> None:
    (tmp_path / "bench.yaml").write_text(BENCH)
    device = Bench(load_exporter(tmp_path / "bench.yaml"), "dut").device()
    assert list(device.children) == ["ssh", "guest", "files"]


@pytest.mark.parametrize("text", STEPS, ids=lambda text: text.splitlines()[1])
def test_its_steps_compile(tmp_path: Path, text: str) -> None:
    assert Compiler(tmp_path).compile(HEAD + text, complete=False)


def test_its_keys_are_those_of_the_driver() -> None:
    named = (
        set(re.findall(r"`([a-z_]+)`", PAGE))
        | set(re.findall(r"`([a-z_]+): ", PAGE))
        | set(re.findall(r"(\w+):", BENCH))
    )
    assert set(SshSettings.model_fields) - named == {"timeout"}

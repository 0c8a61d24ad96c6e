"""The pages about flashing over the network are true: their files fit, and the long form flashes a board."""

import gzip
import os
import re
from pathlib import Path

import pytest

from flowrunner.bench.checked import checked
from flowrunner.bench.config import Exporter
from flowrunner.bundle.manifest import Manifest
from flowrunner.model import Model
from flowrunner.pipeline.compiler import compile
from flowrunner.source import parse
from tests.support.exporters import run
from tests.support.loops import loop, needs_root
from tests.support.netboard import bench, bundle

DOCS = Path(__file__).parents[3] / "docs"


def blocks(page: str) -> list[str]:
    """The YAML examples of a page."""
    return re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def test_the_examples_fit(tmp_path: Path) -> None:
    short, exporter, several, there, long = blocks("network-flash.md")
    (manifest,) = blocks("bundles.md")
    files: list[tuple[str, type[Model]]] = [(exporter, Exporter), (manifest, Manifest)]
    for text, model in files:
        root = parse(text, "docs").root
        assert root
        checked(model, root)
    inputs, devices = "inputs: {root_digest: {type: string, required: true}}", "devices: {dut: {selector: a=b}}"
    (tmp_path / "p.yaml").write_text(f"flow: 1\n{inputs}\n{devices}\nsteps:\n{short}{several}{there}")
    (tmp_path / "long.yaml").write_text(long)
    for name in ("p.yaml", "long.yaml"):
        assert compile(tmp_path / name, complete=False).plan.scope.steps


@pytest.mark.machine
@needs_root
def test_the_long_form_flashes_a_board(tmp_path: Path) -> None:
    content = os.urandom(500_000)
    (tmp_path / "board.img.gz").write_bytes(gzip.compress(content))
    with loop(tmp_path / "disk", 8 << 20) as device:
        made = bundle(tmp_path, device)
        text = blocks("network-flash.md")[-1].replace("/dev/vda", str(device)).replace("shell: udhcpc", "shell: 'true'")
        text = re.sub(r"booti [^\"]*", "boot", text).replace("/tmp/statuses", str(tmp_path / "statuses"))
        (tmp_path / "p.yaml").write_text(text)
        inputs = {
            "kernel": str(made / "kernel"),
            "initrd": str(made / "initrd"),
            "image": str(tmp_path / "board.img.gz"),
        }
        done = run(tmp_path / "p.yaml", tmp_path, exporters=[str(bench(tmp_path))], inputs=inputs)
        assert done.outcome == "passed", [event for event in done.of("step.finished") if event["outcome"] != "passed"]
        assert device.read_bytes()[: len(content)] == content

"""One name, derived everywhere: a plugin's type is its module, its test file, its schema, its page, its example."""

import inspect
import re
import textwrap
from pathlib import Path

import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.driver import Driver
from flowrunner.pipeline.compiler import compile
from flowrunner.plugins import load, types
from flowrunner.step import Step

ROOT = Path(__file__).resolve().parents[2]
ACTIONS = [name for name in types("flowrunner.steps") if "/" not in name]
DRIVERS = [name for name in types("flowrunner.drivers") if "/" not in name]


def example(documented: type) -> str:
    found = re.search(r"```yaml\n(.*?)```", inspect.getdoc(documented) or "", re.DOTALL)
    assert found, f"{documented.__name__} has no YAML example in its docstring"
    return found[1]


@pytest.mark.parametrize("name", ACTIONS)
def test_each_action_has_a_test_a_schema_and_a_page(name: str) -> None:
    module = types("flowrunner.steps")[name].removeprefix("flowrunner_steps.")
    *area, verb = module.split(".")
    assert ROOT.joinpath("tests/steps", *area, f"test_{verb}.py").exists()
    assert (ROOT / "schemas/actions" / f"{name}.json").exists()
    assert (ROOT / "docs/reference/actions" / f"{name}.md").exists()


@pytest.mark.parametrize("name", DRIVERS)
def test_each_driver_has_a_test_a_schema_and_a_page(name: str) -> None:
    family, _, device = name.partition(".")
    assert (ROOT / "tests/drivers" / family / f"test_{device}.py").exists()
    assert (ROOT / "schemas/drivers" / f"{name}.json").exists()
    assert (ROOT / "docs/reference/drivers" / f"{name}.md").exists()


@pytest.mark.parametrize("name", ACTIONS)
def test_the_example_of_an_action_compiles(name: str, tmp_path: Path) -> None:
    text = textwrap.dedent(example(load("flowrunner.steps", Step, name)))
    heads = {
        "inputs": "inputs: {image: {type: string, default: a.img}, version: {type: string, default: '1.0'}}\n",
        "secrets": "secrets: {password: {}, token: {}, root_password: {}}\n",
        "devices": "devices: {dut: board=any}\n",
    }
    path = tmp_path / "example.yaml"
    missing = "".join(head for key, head in heads.items() if not re.search(rf"^{key}:", text, re.MULTILINE))
    path.write_text(f"flow: 1\nname: example\n{missing}{text}")
    assert compile(path, complete=False).plan.scope.steps


@pytest.mark.parametrize("name", DRIVERS)
def test_the_example_of_a_driver_builds(name: str, tmp_path: Path) -> None:
    text = textwrap.dedent(example(load("flowrunner.drivers", Driver, name)))
    path = tmp_path / "exporter.yaml"
    path.write_text(text if text.startswith("export:") else "export:\n" + textwrap.indent(text, "  "))
    device = Bench(load_exporter(path), "dut").device()
    assert any(node.interfaces for _, node in device.walk())

"""The page about the language is true."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path

import pytest

from flowrunner.pipeline.actions import COMMON, SCOPE
from tests.flowrunner.pipeline.test_corpus import EXPECTED, FILES
from tests.flowrunner.pipeline.test_git import LIBRARY, Repository
from tests.support.compiler import Bench
from tests.support.registry import registry
from tests.support.shelf import Shelf

PAGE = (Path(__file__).parents[3] / "docs" / "language.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("text", BLOCKS, ids=lambda text: text.partition("\n")[0])
def test_every_example_compiles(bench: Bench, text: str) -> None:
    environment: dict[str, str] = {}
    if "git: https" in text:
        repository = Repository(bench.folder)
        repository.write("lib/base.yaml", LIBRARY % "hello")
        repository.commit()
        repository.git("tag", "v2.3.0")
        text = text.replace("https://example.com/flows.git", repository.url)
        environment = repository.environment
    if text.startswith("include:"):
        library = LIBRARY % "hello"
        for path in ("lib/board.yaml", "../shared/hil.yaml"):
            (bench.folder / path).parent.mkdir(exist_ok=True)
            (bench.folder / path).write_text(library)
        text = re.sub("sha256:[0-9a-f]{64}", f"sha256:{sha256(library.encode()).hexdigest()}", text)
    devices = "" if "devices:\n" in text.partition("steps:")[0] else "devices: {dut: {selector: board=virt}}\n"
    if text.startswith("- "):
        text = f"flow: 1\ndefaults: {{device: dut}}\n{devices}steps:\n{text}"
    elif "flow: 1\n" not in text:
        text = f"flow: 1\nsteps: [{{log: hello}}]\n{text}"
    with from_registry(bench, text) if "{oci:" in text else nullcontext((text, environment)) as (text, environment):
        bench.compile(text, complete=False, environment=environment)


@contextmanager
def from_registry(bench: Bench, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The example with a registry that has what it names, and the environment for it."""
    with registry(bench.folder) as running:
        shelf = Shelf(running, bench.folder)
        digest = shelf.push(boot_yaml=LIBRARY % "hello")
        text = text.replace("registry.example.com/flows/lab", f"{shelf.host}/flows/oem")
        text = re.sub("sha256:[0-9a-f]{64}", digest, text.replace("registry.example.com", shelf.host))
        yield text, shelf.environment


def test_every_key_and_every_code_is_on_the_page() -> None:
    words = set(re.findall(r"[\w-]+", PAGE))
    codes = {code for path in FILES for _, _, _, code, _ in EXPECTED.findall(path.read_text())}
    assert set(COMMON | SCOPE) - words == set()
    assert codes - words == set()

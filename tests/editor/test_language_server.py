"""What an author sees in an editor: the real yaml-language-server with our schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowrunner.lab.schema import schemas
from tests.flowrunner.pipeline.test_properties import GOOD
from tests.support.language_server import LanguageServer

pytestmark = pytest.mark.editor

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("editor")
    (folder / "pipeline.json").write_text(json.dumps(schemas()["pipeline"]()))
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[LanguageServer]:
    server = LanguageServer(folder)
    yield server
    server.close()


@pytest.fixture
def head(folder: Path) -> str:
    return f"# yaml-language-server: $schema={folder / 'pipeline.json'}\nflow: 1\n"


@pytest.mark.parametrize(
    "path", [p for p in (ROOT / "pipelines").glob("*.yaml") if p.name != "lab.yaml"], ids=lambda p: p.stem
)
def test_finds_nothing_wrong_with_our_pipelines(server: LanguageServer, head: str, path: Path) -> None:
    modeline, _, rest = path.read_text().partition("\n")
    assert modeline == "# yaml-language-server: $schema=../schemas/pipeline.json"
    assert server.diagnostics(head.partition("\n")[0] + "\n" + rest) == []


def test_finds_nothing_wrong_with_a_pipeline_that_has_everything(server: LanguageServer, head: str) -> None:
    assert server.diagnostics(GOOD.replace("\nflow: 1\n", head, 1)) == []


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("powr: cycle", "4:5 Property powr is not allowed."),
        ("power: cicle", '4:12 Value is not accepted. Valid values: "on", "off", "cycle", "read".'),
        ("expect: {promt: x}", "4:14 Property promt is not allowed."),
        ("log: a\n    retry: {attempts: x, on: [infra]}", '5:23 Incorrect type. Expected "integer".'),
    ],
)
def test_underlines_one_thing_for_one_mistake(server: LanguageServer, head: str, step: str, said: str) -> None:
    assert server.diagnostics(f"{head}steps:\n  - {step}\n") == [said]


def test_offers_actions_and_common_keys_for_a_step(server: LanguageServer, head: str) -> None:
    offered = server.completion(f"{head}steps:\n  - |\n")
    assert {"power", "flash", "expect", "shell", "group", "lease", "retry", "timeout", "if", "foreach"} <= set(offered)
    assert all("object" not in label for label in offered)


def test_offers_the_words_of_a_shorthand(server: LanguageServer, head: str) -> None:
    offered = server.completion(f"{head}steps:\n  - power: |\n")
    assert {label.strip('"') for label in offered} == {"on", "off", "cycle", "read"}


def test_offers_the_keys_of_an_action(server: LanguageServer, head: str) -> None:
    offered = server.completion(f"{head}steps:\n  - expect:\n      |\n")
    assert {"pattern", "prompt", "patterns", "within", "settle", "reject"} == set(offered)


def test_shows_the_page_of_an_action_and_the_help_of_a_key(server: LanguageServer, head: str) -> None:
    page = server.hover(f"{head}steps:\n  - exp|ect: a\n")
    assert "Wait for text on the console." in page
    assert "```yaml" in page
    assert "How long to wait." in server.hover(f"{head}steps:\n  - expect: {{with|in: 5s}}\n")

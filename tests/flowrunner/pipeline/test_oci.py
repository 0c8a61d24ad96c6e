"""Includes from a registry: a real one, the real oras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowrunner.errors import PipelineError, PipelineErrors
from flowrunner.pipeline.plan import StepNode
from tests.support.compiler import Bench
from tests.support.registry import PASSWORD, USER, Registry, needs_registry, registry
from tests.support.shelf import Shelf

pytestmark = needs_registry

LIBRARY = "flow: 1\ntemplates: {say: {steps: [{log: %s}]}}\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def shelf(running: Registry, tmp_path: Path) -> Shelf:
    return Shelf(running, tmp_path)


def said(bench: Bench, shelf: Shelf, text: str) -> str:
    nodes = bench.nodes(text, environment=shelf.environment).values()
    return next(str(node.values["message"]) for node in nodes if isinstance(node, StepNode))


def errors(bench: Bench, shelf: Shelf, text: str) -> list[PipelineError]:
    with pytest.raises(PipelineErrors) as caught:
        bench.compile(text, environment=shelf.environment)
    return list(caught.value.errors)


def test_a_tag_and_a_digest_are_ways_to_name_an_artifact(bench: Bench, shelf: Shelf) -> None:
    first = shelf.push(base_yaml=LIBRARY % "one")
    shelf.push(base_yaml=LIBRARY % "two")
    assert said(bench, shelf, shelf.pipeline()) == "two"
    assert said(bench, shelf, shelf.pipeline(f"@{first}")) == "one"
    assert said(bench, shelf, shelf.pipeline("", f", digest: '{first}'")) == "one"
    assert said(bench, shelf, shelf.pipeline(":1.4", f", digest: '{first}'")) == "one"


def test_the_digest_is_part_of_the_plan_and_a_tag_that_moved_is_followed(bench: Bench, shelf: Shelf) -> None:
    digest = shelf.push(base_yaml=LIBRARY % "one")
    before = bench.compile(shelf.pipeline(), environment=shelf.environment).plan
    assert list(before.includes) == [f"{shelf.host}/flows/oem@{digest}:base.yaml"]
    shelf.push(base_yaml=LIBRARY % "one", readme_md="nothing that is included")
    after = bench.compile(shelf.pipeline(), environment=shelf.environment).plan
    assert before.digest != after.digest


def test_of_several_files_path_names_one_and_they_include_each_other(bench: Bench, shelf: Shelf) -> None:
    inner = "flow: 1\ninclude: {b: b.yaml}\ntemplates: {say: {steps: [{call: b.say}]}}\n"
    shelf.push("several", a_yaml=inner, b_yaml=LIBRARY % "deep")
    assert said(bench, shelf, shelf.pipeline(":several", ", path: a.yaml")) == "deep"
    found = errors(bench, shelf, shelf.pipeline(":several"))
    assert [(one.code, one.help) for one in found] == [("missing-key", "add path: a.yaml or b.yaml")]
    found = errors(bench, shelf, shelf.pipeline(":several", ", path: c.yaml"))
    assert [one.code for one in found] == ["unreadable"]


def test_nothing_outside_of_the_artifact_is_read_for_it(bench: Bench, shelf: Shelf) -> None:
    shelf.push("leaky", a_yaml="flow: 1\ninclude: {b: ../../../b.yaml}\ntemplates: {say: {steps: [{call: b.say}]}}\n")
    found = errors(bench, shelf, shelf.pipeline(":leaky"))
    assert [one.code for one in found] == ["outside"]


def test_an_error_in_it_names_the_chain(bench: Bench, shelf: Shelf) -> None:
    shelf.push("wrong", a_yaml="flow: 1\ntemplates: {say: {steps: [{powr: on}]}}\n")
    (error,) = errors(bench, shelf, shelf.pipeline(":wrong"))
    assert error.where
    assert error.where.file == f"{shelf.host}/flows/oem:wrong:a.yaml"
    assert [place.line for place in error.included] == [2]


def test_what_is_pinned_and_was_pulled_needs_no_registry(bench: Bench, tmp_path: Path) -> None:
    with registry(tmp_path) as running:
        shelf = Shelf(running, tmp_path)
        digest = shelf.push(base_yaml=LIBRARY % "kept")
        assert said(bench, shelf, shelf.pipeline()) == "kept"
    assert said(bench, shelf, shelf.pipeline(f"@{digest}")) == "kept"
    (error,) = errors(bench, shelf, shelf.pipeline())
    assert error.code == "unreachable"
    assert error.what == f"registry '{shelf.host}' did not answer: Connection refused"


def test_a_locked_registry_takes_the_password_of_the_environment(bench: Bench, tmp_path: Path) -> None:
    with registry(tmp_path, locked=True) as running:
        shelf = Shelf(running, tmp_path)
        shelf.push(base_yaml=LIBRARY % "secret")
        (error,) = errors(bench, shelf, shelf.pipeline())
        assert (error.code, error.what) == ("unreachable", f"registry '{shelf.host}' does not let us at 'flows/oem'")
        shelf.environment |= {"OCI_USERNAME": USER, "OCI_PASSWORD": PASSWORD}
        assert said(bench, shelf, shelf.pipeline()) == "secret"


@pytest.mark.parametrize(
    ("what", "more", "code"),
    [
        (":nothing", "", "unreachable"),
        (":1.4", f", digest: 'sha256:{'0' * 64}'", "unreachable"),
        (f"@sha256:{'0' * 64}", f", digest: 'sha256:{'1' * 64}'", "bad-value"),
        ("::", "", "bad-value"),
        (":1.4", ", ref: main", "unknown-key"),
    ],
)
def test_what_cannot_be_meant_is_told(bench: Bench, shelf: Shelf, what: str, more: str, code: str) -> None:
    shelf.push(base_yaml=LIBRARY % "one")
    found = errors(bench, shelf, shelf.pipeline(what, more))
    assert [one.code for one in found] == [code]


def test_a_file_that_was_changed_in_the_registry_is_refused(bench: Bench, shelf: Shelf) -> None:
    shelf.push("damaged", base_yaml=LIBRARY % "pristine")
    (blob,) = [path for path in shelf.blobs.rglob("data") if path.read_text(errors="replace") == LIBRARY % "pristine"]
    blob.write_text(LIBRARY % "tampered")
    (error,) = errors(bench, shelf, shelf.pipeline(":damaged"))
    assert "is damaged: a file of it is sha256:" in error.what

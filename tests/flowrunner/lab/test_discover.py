import socket
from pathlib import Path

import pytest

from flowrunner.errors import FlowrunnerError, PipelineError, PipelineErrors, Span
from flowrunner.lab.discover import discover
from flowrunner.pipeline.plan import DeviceRequest
from tests.flowrunner.lab.conftest import Write

pytestmark = pytest.mark.usefixtures("events")

EXPORTER = "export: {m: {type: acme/board}}"
LAB = "exporters: {%s: {export: {m: {type: acme/board}}}}"


def names(pipeline: Path, **arguments: object) -> list[str]:
    """The exporters of the lab that is found."""
    lab = discover(pipeline, **{"environment": {}, **arguments})  # type: ignore[arg-type]
    return [exporter.name for exporter in (*lab.catalogue.exporters, *lab.pinned.values())]


def test_first_hit_wins(tmp_path: Path, write: Write) -> None:
    pipeline = tmp_path / "a" / "b" / "pipeline.yaml"
    assert names(pipeline) == []
    write("lab.yaml", LAB % "above")
    assert names(pipeline) == ["above"]
    write("a/b/lab.yaml", LAB % "beside")
    assert names(pipeline) == ["beside"]
    environment = {"FLOW_LAB": str(write("other/env.yaml", LAB % "environment"))}
    assert names(pipeline, environment=environment) == ["environment"]
    one = str(write("one.yaml", EXPORTER))
    assert names(pipeline, environment=environment, exporters=[one]) == ["one"]
    assert names(pipeline, environment=environment, lab=str(write("x.yaml", LAB % "named"))) == ["named"]


def test_an_exporter_can_be_named_for_a_role(tmp_path: Path, write: Write) -> None:
    one = write("one.yaml", f"metadata: {{name: first}}\n{EXPORTER}")
    two = write("with=sign.yaml", EXPORTER)
    lab = discover(tmp_path / "p.yaml", exporters=[f"ap={one}", f"sta={two}"], environment={})
    assert {role: exporter.name for role, exporter in lab.pinned.items()} == {"ap": "first", "sta": "with=sign"}
    requests = [DeviceRequest(role=r, selector="board=any", where=Span("p", 1, 1, 1, 2)) for r in ("ap", "sta")]
    lab.check(requests)


def test_an_exporter_without_a_role_is_for_the_only_one(tmp_path: Path, write: Write) -> None:
    lab = discover(tmp_path / "p.yaml", exporters=[str(write("one.yaml", EXPORTER))], environment={})
    requests = [DeviceRequest(role=r, selector="", where=Span("p", 1, 1, 1, 2)) for r in ("ap", "sta")]
    lab.check(requests[:1])
    with pytest.raises(PipelineErrors, match="which role 'one' is for is not said") as caught:
        lab.check(requests)
    assert caught.value.errors[0].help == "--exporter ap=FILE, --exporter sta=FILE"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"lab": "a", "exporters": ["b"]}, "--lab and --exporter exclude each other"),
        ({"lab": "gone.yaml"}, "there is no lab file 'gone.yaml'"),
        ({"lab": "."}, "the lab '.' is a folder"),
        ({"lab": "lab.example.com:8082"}, "the lab 'lab.example.com:8082' is an address: those cannot be used yet"),
        ({"exporters": ["dut=[::1]:8082"]}, "the exporter '[::1]:8082' is an address: those cannot be used yet"),
        ({"exporters": ["unix:/run/x"]}, "the exporter 'unix:/run/x' is an address"),
        ({"environment": {"FLOW_LAB": "gone"}}, "there is no lab file 'gone'"),
        (
            {"environment": {"JUMPSTARTER_HOST": "/run/x"}},
            "a lease of Jumpstarter (JUMPSTARTER_HOST) cannot be used yet",
        ),
    ],
)
def test_says_what_cannot_be_used(tmp_path: Path, arguments: dict[str, object], says: str) -> None:
    with pytest.raises(PipelineError) as caught:
        names(tmp_path / "p.yaml", **arguments)
    assert caught.value.what.startswith(says)


def test_a_socket_is_an_address(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(PipelineError, match="is an address"):
            names(tmp_path / "p.yaml", exporters=[str(tmp_path / "s")])


def test_two_files_for_one_role_are_refused(tmp_path: Path, write: Write) -> None:
    one = str(write("one.yaml", EXPORTER))
    with pytest.raises(PipelineError, match="--exporter names 'dut' twice"):
        names(tmp_path / "p.yaml", exporters=[f"dut={one}", f"dut={one}"])
    with pytest.raises(PipelineError, match="several files without a role"):
        names(tmp_path / "p.yaml", exporters=[one, one])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("exporters: {a: {}}", "1:16: 'a' says nothing about what it is"),
        ("exporters: {a: {file: f, export: {m: {type: x}}}}", "1:16: 'a' has both file and export"),
        ("exporters: {a: {file: gone.yaml}}", "1:23: there is no file 'gone.yaml'"),
        ("exporters: {a: {fil: gone.yaml}}", "1:17: unknown key 'fil'"),
        ("exporters: {a: {file: e.yaml, labels: {rev: 2}}}", "1:45: rev needs text, got the number 2"),
        ("exporters: {a b: {export: {m: {type: x}}}}", "1:13: 'a b' cannot name an exporter"),
        ("controllers: {fleet: {endpoint: x}}", "1:14: controllers cannot be used yet"),
        ("flow: 2", "1:7: flow must be 1; got the number 2"),
        ("[]", "1:1: a lab file is a mapping"),
    ],
)
def test_says_what_is_wrong_with_a_lab_file_and_where(tmp_path: Path, write: Write, text: str, says: str) -> None:
    write("e.yaml", EXPORTER)
    path = write("lab.yaml", text)
    with pytest.raises(FlowrunnerError) as caught:
        names(tmp_path / "p.yaml")
    assert str(caught.value).startswith(f"{path}:{says}")

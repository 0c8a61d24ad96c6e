import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowrunner.errors import FlowrunnerError, PipelineError, PipelineErrors, Span
from flowrunner.lab.access import Access
from flowrunner.lab.discover import discover
from flowrunner.lab.served import RemoteExporter
from flowrunner.pipeline.plan import DeviceRequest
from flowrunner.remote.endpoint import Trust
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
    assert caught.value.errors[0].help == "--exporter ap=..., --exporter sta=..."


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"lab": "a", "exporters": ["b"]}, "--lab and --exporter exclude each other"),
        ({"lab": "gone.yaml"}, "there is no lab file 'gone.yaml'"),
        ({"lab": "."}, "the lab '.' is a folder"),
        ({"lab": "lab.example.com:8082"}, "the lab 'lab.example.com:8082' is an address, and a lab is a file"),
        ({"exporters": ["dut=gone.yaml"]}, "there is no exporter file 'gone.yaml'"),
        ({"exporters": ["h:1"], "access": Access(pin="12")}, "the pin '12' is no SHA-256"),
        ({"exporters": ["h:1"], "access": Access(ca=Path("/none"))}, "the certificate /none cannot be read: No such"),
        ({"exporters": ["h:1"], "access": Access(insecure=True, pin="12")}, "an exporter without TLS has no certif"),
        ({"access": Access(insecure=True)}, "--insecure is for exporters that are named by their address"),
        ({"environment": {"FLOW_LAB": "gone"}}, "there is no lab file 'gone'"),
        ({"environment": {"JUMPSTARTER_HOST": "here"}}, "'here' is no address of an exporter"),
    ],
)
def test_says_what_cannot_be_used(tmp_path: Path, arguments: dict[str, object], says: str) -> None:
    with pytest.raises(PipelineError) as caught:
        names(tmp_path / "p.yaml", **arguments)
    assert caught.value.what.startswith(says)


def remotes(
    tmp_path: Path, *exporters: str, access: Access | None = None, environment: Mapping[str, str] | None = None
) -> list[RemoteExporter]:
    lab = discover(tmp_path / "p.yaml", exporters=exporters, environment=environment or {}, access=access)
    assert all(isinstance(exporter, RemoteExporter) for exporter in lab.pinned.values())
    return [exporter for exporter in lab.pinned.values() if isinstance(exporter, RemoteExporter)]


def test_an_address_is_an_exporter_that_listens_there(tmp_path: Path) -> None:
    one, two, three = remotes(tmp_path, "a=rack:8082", "b=[::1]:80", "c=unix:/run/x=y")
    assert [str(each.endpoint) for each in (one, two, three)] == ["rack:8082", "[::1]:80", "unix:/run/x=y"]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        (bare,) = remotes(tmp_path, str(tmp_path / "s"))
    assert bare.identity == f"unix:{tmp_path / 's'}"


def test_a_tcp_address_is_spoken_to_with_tls_unless_it_is_said(tmp_path: Path) -> None:
    (plain,) = remotes(tmp_path, "rack:8082")
    assert plain.endpoint.trust == Trust()
    (said,) = remotes(tmp_path, "rack:8082", access=Access(insecure=True))
    (known,) = remotes(tmp_path, "rack:8082", environment={"JMP_GRPC_INSECURE": "1"})
    assert said.endpoint.trust == known.endpoint.trust == Trust(insecure=True)
    (pinned,) = remotes(
        tmp_path, "rack:8082", access=Access(pin="AB:" * 31 + "AB"), environment={"JMP_GRPC_INSECURE": "1"}
    )
    assert pinned.endpoint.trust == Trust(pin="ab" * 32)


def test_the_passphrase_comes_from_the_first_that_says_it_and_is_shown_nowhere(tmp_path: Path) -> None:
    environment = {"FLOW_PASSPHRASE": "hunter22", "JMP_GRPC_PASSPHRASE": "theirs22"}
    (ours,) = remotes(tmp_path, "rack:8082", environment=environment)
    (theirs,) = remotes(tmp_path, "rack:8082", environment={"JMP_GRPC_PASSPHRASE": "theirs22"})
    (said,) = remotes(tmp_path, "rack:8082", access=Access(passphrase="said4321"), environment=environment)
    assert [each.endpoint.passphrase for each in (ours, theirs, said)] == ["hunter22", "theirs22", "said4321"]
    lab = discover(tmp_path / "p.yaml", exporters=["rack:8082"], environment=environment)
    assert lab.secrets == ("hunter22",)
    assert "hunter22" not in repr(ours.endpoint) + repr(Access(passphrase="hunter22"))


def test_a_shell_around_the_run_is_its_lab_and_its_lease_is_joined(tmp_path: Path, write: Write) -> None:
    write("lab.yaml", LAB % "beside")
    shell = {"JUMPSTARTER_HOST": "/run/x", "FLOW_LEASE": "7f3a", "FLOW_LAB": "elsewhere.yaml"}
    (around,) = remotes(tmp_path, environment=shell)
    assert (str(around.endpoint), around.join, around.identity) == ("unix:/run/x", "7f3a", "lease:7f3a")
    (same, other) = remotes(tmp_path, "a=unix:/run/x", "b=unix:/run/y", environment=shell)
    assert (same.join, other.join) == ("7f3a", None), "who names the shell's own exporter must not wait for the shell"
    assert names(tmp_path / "p.yaml", environment=shell, lab=str(tmp_path / "lab.yaml")) == ["beside"]


ENDPOINTS = """
exporters:
  rack:
    endpoint: rack.example.com:8082
    labels: {board: rpi4}
    grace: 5s
    tls: {ca: ca.pem, server_name: rack}
    passphrase: {file: secret.txt}
  desk: {endpoint: "unix:/run/desk", passphrase: {env: DESK}}
  gone: {endpoint: "h:1", passphrase: {env: GONE}, labels: {board: gone}}
"""


def test_a_lab_says_how_an_exporter_is_reached(tmp_path: Path, write: Write) -> None:
    write("ca.pem", "PEM")
    write("secret.txt", "hunter22\n")
    write("lab.yaml", ENDPOINTS)
    lab = discover(tmp_path / "p.yaml", environment={"DESK": "desk4321"})
    rack, desk, _ = lab.catalogue.exporters
    assert isinstance(rack, RemoteExporter) and isinstance(desk, RemoteExporter)
    assert rack.endpoint.trust == Trust(ca=b"PEM", server_name="rack")
    assert (rack.endpoint.passphrase, rack.grace, rack.labels) == ("hunter22", 5, {"board": "rpi4"})
    assert (desk.endpoint.passphrase, desk.grace) == ("desk4321", 30)
    assert lab.secrets == ("hunter22", "desk4321")


def test_a_passphrase_that_is_not_there_matters_only_to_who_uses_the_exporter(tmp_path: Path, write: Write) -> None:
    write("lab.yaml", ENDPOINTS.replace("ca: ca.pem, ", "").replace("{file: secret.txt}", "plainly1"))
    lab = discover(tmp_path / "p.yaml", environment={"DESK": "desk4321"})
    with pytest.raises(PipelineErrors) as caught:
        lab.check([DeviceRequest(role="dut", selector="board=gone", where=Span("p", 1, 1, 1, 2))])
    assert str(caught.value).startswith(f"{tmp_path}/lab.yaml:10:9: the variable GONE is not set")


def test_two_files_for_one_role_are_refused(tmp_path: Path, write: Write) -> None:
    one = str(write("one.yaml", EXPORTER))
    with pytest.raises(PipelineError, match="--exporter names 'dut' twice"):
        names(tmp_path / "p.yaml", exporters=[f"dut={one}", f"dut={one}"])
    with pytest.raises(PipelineError, match="several exporters without a role"):
        names(tmp_path / "p.yaml", exporters=[one, one])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("exporters: {a: {}}", "1:16: 'a' says nothing about what it is"),
        ("exporters: {a: {file: f, export: {m: {type: x}}}}", "1:16: 'a' has both file and export"),
        ("exporters: {a: {endpoint: 'h:1', file: e.yaml}}", "1:16: 'a' has both file and endpoint"),
        ("exporters: {a: {endpoint: h}}", "1:27: 'h' is no address of an exporter"),
        ("exporters: {a: {file: e.yaml, tls: {insecure: true}}}", "1:36: tls goes with an endpoint"),
        ("exporters: {a: {endpoint: 'h:1', tls: {pin: '1'}}}", "1:27: the pin '1' is no SHA-256"),
        ("exporters: {a: {endpoint: 'h:1', passphrase: {env: A, file: b}}}", "1:27: a passphrase has either env or"),
        ("exporters: {a: {endpoint: 'h:1', passphrase: {evn: A}}}", "1:47: unknown key 'evn'"),
        ("exporters: {a: {endpoint: 'h:1', passphrase: 12}}", "1:46: passphrase needs text"),
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

"""The pipeline that deploys by SSH, on a real server, here and through an exporter."""

import getpass
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from tests.support.exporters import exporter, run
from tests.support.sshd import Sshd, running_sshd

FOLDER = Path(__file__).parents[2] / "pipelines/ssh"
SECRET = "hun22-of-the-fleet"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("ssh")) as found:
        yield found


def bench(server: Sshd) -> Path:
    """The bench of the page, at the test's own server."""
    text = (FOLDER / "bench.yaml").read_text()
    for old, new in {
        "192.168.7.2": "127.0.0.1", "port: 22": f"port: {server.port}", "keys/lab": str(server.key),
        "username: root": f"username: {getpass.getuser()}", "host_key: first": f"host_key: {server.host_key}",
    }.items():  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    file = server.folder / "bench.yaml"
    file.write_text(text)
    return file


@pytest.mark.machine
@pytest.mark.parametrize("way", ["here", "remote"])
def test_deploys_tests_and_fetches_and_shows_the_secret_nowhere(server: Sshd, tmp_path: Path, way: str) -> None:
    place = tmp_path / "board"
    given = {"inputs": {"place": str(place)}, "FLOW_SECRET_TOKEN": SECRET}
    if way == "here":
        done = run(FOLDER / "deploy.yaml", tmp_path, exporters=[str(bench(server))], **given)
    else:
        with exporter(bench(server), tmp_path) as served:
            done = run(FOLDER / "deploy.yaml", tmp_path, exporters=[served.tcp], **given)
    assert done.outcome == "passed"
    assert done.record("up")["outputs"]["host_key"] == server.host_key
    [packed] = list(done.finished.folder.rglob("selftest.tar.gz"))
    with tarfile.open(packed) as archive:
        assert archive.getnames() == ["log", "log/selftest.log"]
    assert not place.exists(), "the board was cleaned up"
    assert [name for name, data in done.files().items() if SECRET.encode() in data] == []
    stderr = [event for event in done.events if f"{len(SECRET)} characters" in json.dumps(event)]
    assert stderr, "the token arrived"


def test_the_bench_builds_as_it_is_written() -> None:
    assert [path for path, _ in Bench(load_exporter(FOLDER / "bench.yaml"), "dut").device().walk()] == [
        "", "ssh", "ssh.tcp", "files", "files.ssh", "files.ssh.tcp",
    ]  # fmt: skip

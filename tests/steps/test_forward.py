import asyncio
import signal
import socket
from pathlib import Path

import anyio
import pytest
from pydantic import ValidationError

from flowrunner.errors import BenchError
from flowrunner_drivers.network.tcp import TcpNetwork
from flowrunner_drivers.network.udp import UdpNetwork
from flowrunner_steps.forward import Forward, ForwardOutputs
from tests.support.bench import execute
from tests.support.context import RecordingContext
from tests.support.devices import device
from tests.support.exporters import running, served
from tests.support.far_ends import tcp_echo, udp_echo
from tests.support.flow import Workplace, end


async def talk(found: ForwardOutputs, text: bytes = b"hello") -> bytes:
    """What comes back through a forward."""
    open_ = asyncio.open_unix_connection(found.path) if found.path else asyncio.open_connection(found.host, found.port)
    reader, writer = await open_
    writer.write(text)
    writer.write_eof()
    with anyio.fail_after(10):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.anyio
@pytest.mark.parametrize("over", ["tcp", "unix"])
async def test_connections_go_on_to_the_device_until_the_scope_ends(tmp_path: Path, over: str) -> None:
    async with tcp_echo() as where:
        context = RecordingContext(tmp_path, device(web=TcpNetwork.make(where)))
        async with context.kept_open:
            found = await Forward.model_validate({"over": over}).run(context)
            assert await talk(found) == b"hello"
            assert await talk(found) == b"hello"
            assert found.address == (found.path or f"127.0.0.1:{found.port}")
        with pytest.raises(OSError):
            await talk(found)
    assert context.told.logs[0] == ("info", f"{found.address} leads to dut.web")
    assert context.told.logs[-1] == ("info", f"{found.address} was closed after 2 connections")
    assert context.told.created == context.told.removed
    for _, facts in context.told.created:
        assert not Path(facts["path"]).exists()
        assert Path(facts["path"]) == Path(found.path or "").parent


@pytest.mark.anyio
async def test_datagrams_go_on_and_back(tmp_path: Path) -> None:
    async with udp_echo() as where:
        context = RecordingContext(tmp_path, device(net=UdpNetwork.make(where)))
        async with context.kept_open:
            found = await Forward(over="udp").run(context)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
                near.setblocking(False)
                near.connect((found.host, found.port))
                near.send(b"ping")
                with anyio.fail_after(5):
                    assert await asyncio.get_running_loop().sock_recv(near, 99) == b"ping"


@pytest.mark.anyio
async def test_a_socket_at_a_path_is_journalled_and_goes(tmp_path: Path) -> None:
    async with tcp_echo() as where:
        context = RecordingContext(tmp_path, device(web=TcpNetwork.make(where)))
        async with context.kept_open:
            found = await Forward(over="unix", path="web.sock").run(context)
            assert found.path == str(tmp_path / "web.sock")
            assert context.told.created == [("file", {"path": found.path})]
            assert await talk(found) == b"hello"
        assert not (tmp_path / "web.sock").exists()


@pytest.mark.anyio
async def test_nobody_at_the_device_is_logged_once_and_later_connections_work(tmp_path: Path) -> None:
    port = free_port()
    context = RecordingContext(tmp_path, device(web=TcpNetwork.make({"host": "127.0.0.1", "port": port})))
    async with context.kept_open:
        found = await Forward().run(context)
        for _ in range(3):
            with pytest.raises(ConnectionError):
                assert await talk(found) != b"hello"
        with socket.create_server(("127.0.0.1", port)) as late:
            late.setblocking(False)
            reader, writer = await asyncio.open_connection(found.host, found.port)
            near, _ = await asyncio.get_running_loop().sock_accept(late)
            near.sendall(b"now")
            near.close()
            assert await reader.read() == b"now"
            writer.close()
    warnings = [message for level, message in context.told.logs if level == "warning"]
    assert len(warnings) == 1
    assert f"a connection to dut.web ended: '127.0.0.1:{port}' cannot be reached" in warnings[0]
    assert context.told.logs[-1][1].endswith("after 4 connections, 3 broken")


@pytest.mark.anyio
async def test_a_port_that_is_in_use_is_an_error_that_says_so(tmp_path: Path) -> None:
    async with tcp_echo() as where:
        context = RecordingContext(tmp_path, device(web=TcpNetwork.make(where)))
        with pytest.raises(BenchError, match="Address already in use") as caught:
            await Forward(port=where["port"]).run(context)
        assert caught.value.help == "choose another one, or 0 for a free port"
        with pytest.raises(BenchError, match="datagrams can be forwarded only to a part that keeps their borders"):
            await Forward(over="udp").run(context)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"path": "x"}, "path means nothing for tcp"),
        ({"over": "unix", "port": 1}, "port means nothing for unix"),
        ({"over": "sctp"}, "over"),
    ],
)
def test_keys_that_mean_nothing_together_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Forward.model_validate(given)


ECHO = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    print("up", flush=True)
    while True:
        near, _ = server.accept()
        while data := near.recv(4096):
            near.sendall(data)
        near.close()
"""

PIPELINE = """
devices: {dut: board=any}
steps:
  - background: {run: "python3 echo.py PORT", ready: {pattern: up, within: 20s}}
  - group:
      - id: door
        forward: tcp
      - id: talk
        run: printf hello | socat -t 5 - "TCP:${{ steps.door.outputs.address }}"
      - assert: ${{ steps.talk.outputs.stdout == 'hello' }}
  - id: after
    run: {command: ": | socat - 'TCP:${{ steps.door.outputs.address }}'", expect_exit: 1}
"""


def bench(port: int) -> str:
    """What is exported: a far end."""
    return f"{{web: {{type: network.tcp, config: {{host: 127.0.0.1, port: {port}}}}}}}"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_a_pipeline_reaches_the_device_in_the_group_and_not_behind_it(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    port = free_port()
    done = execute(tmp_path, PIPELINE.replace("PORT", str(port)), export=bench(port))
    assert done.outcome == "passed", done.finished.result
    assert "Connection refused" in done.record("after")["outputs"]["stderr"]


def test_a_killed_runner_leaves_no_socket_behind_recovery(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    lab = f"exporters: {{lamp: {{labels: {{board: lamp}}, export: {bench(free_port())}}}}}"
    (tmp_path / "lab.yaml").write_text(lab)
    place.write("steps:\n  - {id: door, forward: unix}\n  - {id: long, run: sleep 60}\n")
    process = place.start("run", "p.yaml")
    place.wait_for("step.started", path="long")
    (made,) = [event["facts"]["path"] for event in place.journal if event.get("kind") == "folder"]
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert Path(made, "s").is_socket()
    assert place.flow("recover", "last").returncode == 0
    assert not Path(made).exists()


def test_a_canceled_run_closes_its_port_before_its_device_is_given_back(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    lab = f"exporters: {{lamp: {{labels: {{board: lamp}}, export: {bench(free_port())}}}}}"
    (tmp_path / "lab.yaml").write_text(lab)
    place.write("steps:\n  - {id: door, forward: tcp}\n  - {id: long, run: sleep 60}\n")
    process = place.start("run", "p.yaml")
    port = place.wait_for("step.finished", path="door")["outputs"]["port"]
    place.wait_for("step.started", path="long")
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    assert end(process, signal.SIGINT)[0] == 4
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    said = [event.get("message", event["event"]) for event in place.journal]
    assert said.index(f"127.0.0.1:{port} was closed after 1 connection, 1 broken") < said.index("lease.released")


BEYOND = """
flow: 1
name: beyond
devices: {dut: board=any}
steps:
  - id: door
    forward: unix
  - id: talk
    run: 'printf hello | socat -t 5 - UNIX-CONNECT:"${{ steps.door.outputs.path }}"'
  - assert: ${{ steps.talk.outputs.stdout == 'hello' }}
"""


@pytest.mark.anyio
async def test_it_leads_to_what_the_exporter_reaches(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(BEYOND)
    async with tcp_echo() as where:
        (tmp_path / "bench.yaml").write_text(
            f"export:\n  web: {{type: network.tcp, config: {{host: 127.0.0.1, port: {where['port']}}}}}\n"
        )

        async def work(unix: str, tcp: str) -> None:
            done = await running(tmp_path / "p.yaml", tmp_path, exporters=[unix])
            assert done.outcome == "passed", done.finished.result

        await served(tmp_path / "bench.yaml", tmp_path, work)

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.errors import BenchError, PipelineError, PipelineErrors
from flowrunner_steps.serve import Serve
from tests.support.bench import execute
from tests.support.context import RecordingContext
from tests.support.tftp import Client

pytestmark = pytest.mark.anyio

BOTH = """
  net:
    children:
      tftp: {type: tftp.server, config: {host: 127.0.0.1, port: 0}}
      http: {type: http.server, config: {host: 127.0.0.1, port: 0}}
"""


@asynccontextmanager
async def bench(folder: Path, export: str = BOTH) -> AsyncIterator[RecordingContext]:
    (folder / "exporter.yaml").write_text(f"export:{export}")
    opened = Bench(load_exporter(folder / "exporter.yaml"), "dut")
    async with opened.opened():
        yield RecordingContext(folder, opened.device())


def fetched(host: str, port: int, name: str) -> bytes:
    with Client((host, port)) as client:
        return client.fetch(name, blksize=1468)


async def test_the_device_finds_the_file_where_the_outputs_say(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "Image").write_bytes(content)
    async with bench(tmp_path) as context:
        outputs = await Serve(files="Image", over="tftp", below="/run 7/").run(context)
        got = await anyio.to_thread.run_sync(fetched, outputs.host, outputs.port, outputs.path)
    assert got == content
    assert outputs.path == "run 7/Image"
    assert outputs.url == f"tftp://127.0.0.1:{outputs.port}/run%207/Image"
    assert outputs.bytes == len(content)
    assert context.told.progress[-1] == (len(content), len(content), "B")


async def test_a_stopped_server_is_started(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    async with bench(tmp_path) as context:
        await context.find("dut.net.tftp").stop()
        outputs = await Serve(files="a", over="tftp").run(context)
        assert await anyio.to_thread.run_sync(fetched, outputs.host, outputs.port, "a") == b"a"


async def test_folders_patterns_and_lists_keep_their_order(tmp_path: Path) -> None:
    for name in ("boot/a.dtb", "boot/b.dtb", "boot/sub/c", "x1.bin", "x0.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    async with bench(tmp_path) as context:
        outputs = await Serve(files=["x?.bin", "boot", "boot/sub/c"], over="http").run(context)
    assert outputs.paths == ["x0.bin", "x1.bin", "a.dtb", "b.dtb", "sub/c", "c"]
    assert [url.partition("//")[2].partition("/")[2] for url in outputs.urls] == outputs.paths


async def test_a_mapping_names_files_anew(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    async with bench(tmp_path) as context:
        assert (await Serve(files={"boot/Image": "a"}, over="tftp").run(context)).paths == ["boot/Image"]
        assert await context.find("dut.net.tftp.storage").read_bytes("boot/Image") == b"a"


async def test_of_two_servers_one_must_be_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    async with bench(tmp_path) as context:
        with pytest.raises(PipelineError, match="more than once") as caught:
            await Serve(files="a").run(context)
    assert "dut.net.http" in (caught.value.help or "")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("gone", "there is no file '.*gone' to serve"),
        ("*.gone", "no file matches '.*gone'"),
        ([], "there is no file to serve"),
        (["one/a", "two/a"], "would both be served as 'a'"),
    ],
)
async def test_what_cannot_be_served_is_said_before_anything_is_sent(tmp_path: Path, files: Any, message: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    async with bench(tmp_path) as context:
        with pytest.raises(BenchError, match=message):
            await Serve(files=files, over="tftp").run(context)
        assert await context.find("dut.net.tftp.storage").list() == []


async def test_a_path_that_leads_out_of_the_server_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    async with bench(tmp_path) as context:
        with pytest.raises(BenchError, match="leads out"):
            await Serve(files={"../a": "a"}, over="tftp").run(context)


def test_a_pipeline_serves_files_and_nothing_is_left_when_its_lease_ends(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"image")
    (tmp_path / "srv").mkdir()
    server = f"config: {{host: 127.0.0.1, port: 0, root_dir: {tmp_path}/srv}}"
    done = execute(
        tmp_path,
        """
devices: {dut: board=any}
steps:
  - id: kernel
    serve: {files: image, over: tftp, below: boot}
  - id: image
    serve: {files: image, over: http}
  - id: page
    http: ${{ steps.image.outputs.url }}
  - assert: ${{ steps.page.outputs.body == 'image' and steps.kernel.outputs.path == 'boot/image' }}
""",
        export=f"{{web: {{type: http.server, {server}}}, boot: {{type: tftp.server, {server}}}}}",
    )
    assert done.outcome == "passed", done.finished.result
    assert list((tmp_path / "srv").iterdir()) == []


def test_two_servers_are_a_mistake_that_is_found_before_anything_runs(tmp_path: Path) -> None:
    server = "config: {host: 127.0.0.1, port: 0}"
    with pytest.raises(PipelineErrors, match=r"name one with device: dut\.web or dut\.boot"):
        execute(
            tmp_path,
            "devices: {dut: board=any}\nsteps: [{serve: image}]\n",
            export=f"{{web: {{type: http.server, {server}}}, boot: {{type: tftp.server, {server}}}}}",
        )

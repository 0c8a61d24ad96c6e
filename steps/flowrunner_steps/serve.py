"""Put files where the device can fetch them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import anyio
import anyio.to_thread

from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.interfaces.files import Files
from flowrunner.interfaces.server import FILES, FileServer, HttpServer, TftpServer
from flowrunner.model import Duration, Size
from flowrunner.step import Context, Outputs, Step
from flowrunner_steps._paths import matches

PIECE = 1 << 20
"""Bytes that are sent at once."""


class ServeOutputs(Outputs):
    """Where the files are now."""

    url: str
    """The URL of the first file, such as `http://192.168.7.1:8080/rootfs.img.xz`."""

    urls: list[str]
    """The URLs of all files, in order."""

    path: str
    """The first file's name on the server: what `tftpboot` takes."""

    paths: list[str]
    """The names of all files, in order."""

    host: str
    """The server's address, as the device knows it: U-Boot's `serverip`."""

    port: int
    """The server's port."""

    bytes: Size
    """How much was sent to the exporter."""

    seconds: Duration
    """How long that took."""


class Serve(Step):
    """Put files on the exporter's TFTP or HTTP server, for the device to fetch. The server is started if it is stopped.

    The files stay until the lease ends; the server deletes them then, unless its config says otherwise. Paths start in
    the pipeline's folder; `*`, `?`, `[...]` and `**` are understood, and of a folder all that is below it is served. A
    mapping names the files anew: the name on the server, then the path. A file that is there already is replaced.

    ```yaml
    steps:
      - id: kernel
        serve: {files: [build/Image, build/*.dtb], over: tftp, below: "${{ run.id }}"}
      - send: "setenv serverip ${{ steps.kernel.outputs.host }}; tftpboot $loadaddr ${{ steps.kernel.outputs.path }}"
      - id: rootfs
        serve: {files: {rootfs.img.xz: "${{ inputs.image }}"}, over: http}
      - shell: wget -O - ${{ steps.rootfs.outputs.url }} | xzcat | dd of=/dev/mmcblk0
    ```
    """

    shorthand = "files"
    kind = "setup"
    interfaces = (FileServer,)
    outside = True

    files: str | list[str] | dict[str, str]
    """The file or files; with names, what they are called on the server."""

    over: Literal["tftp", "http"] | None = None
    """Which of the device's servers, where it has both."""

    below: str = ""
    """The folder on the server that they are put into."""

    @classmethod
    def wants(cls, given: Mapping[str, Any]) -> tuple[type[Interface], ...]:
        over = given.get("over")
        return (TftpServer,) if over == "tftp" else (HttpServer,) if over == "http" else cls.interfaces

    async def run(self, context: Context) -> ServeOutputs:
        place = context.locate(*self.wants({"over": self.over}))
        server, store = cast("FileServer", context.find(place)), cast("Files", context.find(f"{place}.{FILES}"))
        found = await anyio.to_thread.run_sync(self._found, context)
        names = [f"{self.below.strip('/')}/{name}".lstrip("/") for name in found]
        total = sum(path.stat().st_size for path in found.values())
        start, sent = anyio.current_time(), 0
        await server.start()
        for name, path in zip(names, found.values(), strict=True):
            size = await store.write(name, _content(path, context, sent, total))
            if size != path.stat().st_size:
                raise BenchError(f"only {size} bytes of '{path}' reached the server", blame="infra", driver=place)
            sent += size
        urls = [await server.url(name) for name in names]
        return ServeOutputs(
            url=urls[0], urls=urls, path=names[0], paths=names, host=await server.host(), port=await server.port(),
            bytes=Size(sent), seconds=Duration(anyio.current_time() - start),
        )  # fmt: skip

    def _found(self, context: Context) -> dict[str, Path]:
        """The files by their names on the server."""
        if isinstance(self.files, dict):
            named = [(name.strip("/"), context.path(text)) for name, text in self.files.items()]
        else:
            texts = [self.files] if isinstance(self.files, str) else self.files
            named = [entry for text in texts for entry in _named(context.path(text), text)]
        found: dict[str, Path] = {}
        for name, path in named:
            if not path.is_file():
                raise BenchError(f"there is no file '{path}' to serve", blame="config")
            if found.setdefault(name, path) != path:
                raise BenchError(
                    f"'{found[name]}' and '{path}' would both be served as '{name}'", blame="config",
                    help="give them names: files: {NAME: PATH}",
                )  # fmt: skip
        if not found:
            raise BenchError("there is no file to serve", blame="config", help=f"files is {self.files!r}")
        return found


def _named(path: Path, text: str) -> Iterator[tuple[str, Path]]:
    """The files that `path` stands for, with their names."""
    if path.is_dir():
        yield from ((str(file.relative_to(path)), file) for file in sorted(path.rglob("*")) if file.is_file())
    else:
        yield from ((match.name, match) for match in matches(path, text, Path.is_file))


async def _content(path: Path, context: Context, before: int, total: int) -> AsyncIterator[bytes]:
    """A file in pieces; `before` bytes of `total` were sent."""
    try:
        with await anyio.to_thread.run_sync(path.open, "rb") as file:
            while piece := await anyio.to_thread.run_sync(file.read, PIECE):
                yield piece
                before += len(piece)
                context.progress(before, total)
    except OSError as error:
        raise BenchError(f"'{path}' could not be read: {error.strerror}", blame="config") from error

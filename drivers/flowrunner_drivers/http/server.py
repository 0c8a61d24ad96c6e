"""An HTTP server of this host."""

from __future__ import annotations

import socket
from typing import Any

from pydantic import Field

from flowrunner.errors import BenchError
from flowrunner.interfaces.server import HttpServer as HttpServerInterface
from flowrunner.model import Seconds, Size
from flowrunner_drivers._served import Listening, Server, ServerConfig


class HttpServerConfig(ServerConfig):
    """What is served, and where."""

    port: int = Field(default=8080, ge=0, le=65535)
    """The port that it listens on; 0 for any that is free."""

    uploads: bool = False
    """Whether devices may write files, by PUT."""

    largest: Size | None = None
    """The largest file that a device may write."""

    timeout: Seconds = Field(default=600.0, gt=0)
    """Seconds without any progress after which a connection is ended, such as that of a device without power."""


class HttpServer(Server[HttpServerConfig], HttpServerInterface):
    """Serves the files of one folder over HTTP: GET and HEAD with ranges, ETag and Last-Modified; PUT when allowed.

    Content goes from the disk to the network within the kernel. A folder has no listing. No path and no link leads out.
    Files are put there through the part `storage`, or by devices with PUT: a body that breaks off leaves no file. Each
    request is a line in the log.

    ```yaml
    export:
      http:
        type: http.server
        config: {root_dir: /srv/images, host: 192.168.7.1, port: 8080, uploads: true}
    ```

    For a guest of QEMU's user network: `{host: 127.0.0.1, address: 10.0.2.2}`. It needs `flowrunner[http]`.
    """

    aliases = ("jumpstarter_driver_http.driver.HttpServer",)
    scheme = "http"
    kind = socket.SOCK_STREAM

    async def listen(self, family: int, address: Any) -> Listening:
        try:
            from flowrunner_drivers.http._site import listening  # aiohttp takes 150 ms
        except ImportError as error:
            what = f"http.server needs the package '{error.name}'"
            raise BenchError(what, blame="infra", help="pip install 'flowrunner[http]'") from error
        config = self.config
        return await listening(
            self.files, family, address, uploads=config.uploads, largest=config.largest, timeout=config.timeout
        )

"""Ask a web server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio
from pydantic import Field

from flowrunner.errors import BenchError, ExpectationError
from flowrunner.interface import Interface
from flowrunner.interfaces.network import Network
from flowrunner.model import Duration, SecretText, Size
from flowrunner.step import Context, Outputs, Step

SHOWN = 500
"""Characters of a response that an error shows."""


class HttpOutputs(Outputs):
    """The response."""

    status: int
    """The status, such as 200."""

    url: str
    """Where it came from, behind all redirects."""

    headers: dict[str, str]
    """The headers, with names in lower case; several of one name are joined by commas."""

    body: str
    """The body as text; empty when it was saved."""

    parsed: Any = None
    """The body's value, when the response says that it is JSON."""

    file: str | None = None
    """With `save`: the artifact's name."""

    bytes: Size
    """The size of the body, unpacked."""

    digest: str
    """The digest of the body, unpacked: `sha256:9f86...`."""

    seconds: Duration
    """How long it took, from connecting to the last byte."""


class Http(Step):
    """Make an HTTP request from the machine that runs the pipeline, or with `via` from the exporter's network.

    The step passes when the status is the expected one, or with `expect_status` left out when it is below 400. No
    answer at all is a miss, too: with `retry` on `failed` and `timeout` a pipeline waits for a server to come up.

    ```yaml
    steps:
      - http: http://192.168.7.2/health
      - id: token
        http:
          url: https://fleet.example.com/api/sessions
          method: POST
          body: {user: ci, password: "${{ secrets.password }}"}
          expect_status: 201
      - http:
          url: https://fleet.example.com/api/logs?board=7
          headers: {Authorization: "Bearer ${{ secrets.token }}"}
          save: board-7.log.gz
      - http: {url: http://dut/upload, method: PUT, file: build/config.bin, via: web}
    ```

    It needs `flowrunner[http]`.
    """

    shorthand = "url"
    interfaces = (Network,)
    outside = True

    url: SecretText = Field(pattern=r"^https?://[^\s]+$")
    """The address, with `http:` or `https:`."""

    method: str = Field(default="GET", pattern=r"^[A-Z]+$")
    """The method."""

    headers: dict[str, SecretText] = {}
    """Headers of the request."""

    body: SecretText | dict[str, Any] | list[Any] | None = None
    """What is sent: text as it is, a mapping or a list as JSON."""

    file: str | None = None
    """A file that is sent, relative to the pipeline's folder."""

    expect_status: int | list[int] | None = None
    """The status that passes, or several."""

    save: str | None = None
    """Keep the body as an artifact of this name."""

    via: str | None = None
    """The device's network driver through which the request is made, such as `web`; it says where to connect to."""

    follow: bool = True
    """Whether redirects are followed."""

    verify: bool = True
    """Whether a server's certificate must be valid."""

    within: Duration = Duration(60)
    """How long all of it may take."""

    limit: Size = Size(16 * 1024 * 1024)
    """How large the body may be, unless it is saved."""

    @classmethod
    def wants(cls, given: Mapping[str, Any]) -> tuple[type[Interface], ...]:
        return cls.interfaces if "via" in given else ()

    async def run(self, context: Context) -> HttpOutputs:
        try:
            from flowrunner_steps._http import Request, exchange  # aiohttp takes 150 ms
        except ImportError as error:
            what = f"http needs the package '{error.name}'"
            raise BenchError(what, blame="infra", help="pip install 'flowrunner[http]'") from error
        network = context.use(Network, path=self.via) if self.via else None
        file = context.path(self.file) if self.file else None
        target = context.artifact(self.save, title=f"{self.method} {self.url}") if self.save else None
        request = Request(self.method, self.url, self.headers, self.body, file, self.follow, self.verify, self.limit)
        start = anyio.current_time()
        try:
            with anyio.fail_after(self.within):
                response = await exchange(request, network, target, context)
        except TimeoutError as error:
            raise ExpectationError(f"{self.url} did not answer within {self.within}", cause="timeout") from error
        self._judge(response.status, response.text)
        return HttpOutputs(
            status=response.status,
            url=response.url,
            headers=response.headers,
            body=response.text,
            parsed=_parsed(response.headers, response.text),
            file=target.name if target else None,
            bytes=Size(response.size),
            digest=response.digest,
            seconds=Duration(anyio.current_time() - start),
        )

    def _judge(self, status: int, text: str) -> None:
        expected = [self.expect_status] if isinstance(self.expect_status, int) else self.expect_status
        if status not in expected if expected else status >= 400:
            wanted = f", expected {' or '.join(map(str, expected))}" if expected else ""
            raise ExpectationError(f"{self.url} answered {status}{wanted}", said=text[:SHOWN].strip() or None)


def _parsed(headers: dict[str, str], text: str) -> Any:
    kind = headers.get("content-type", "").partition(";")[0].strip()
    if not text or not (kind == "application/json" or kind.endswith("+json")):
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise ExpectationError(f"the response says that it is JSON, and is not: {error}", said=text[:SHOWN]) from error

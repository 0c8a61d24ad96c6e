"""An image in an OCI registry, through oras: `oci://registry.example.com/images/board:1.4#root.img.zst`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import anyio.to_thread

from flowrunner.errors import BenchError, near
from flowrunner.image.source import Source
from flowrunner.image.stop import Stop
from flowrunner.registry.reference import Access, Reference

SCHEME = "oci://"
READ = 1 << 18


class OciSource(Source):
    """One file of an artifact, read once. Its digest is that of the manifest, so what comes is what was pushed."""

    blame = "infra"

    def __init__(self, url: str, layer: Mapping[str, Any], response: Any, stop: Stop) -> None:
        self.name = url
        self.size = int(layer["size"])
        self.checksum = str(layer["digest"])
        self._stop = stop
        self._response = response
        self._pieces = response.iter_content(READ)
        self.head = self._next()

    def chunks(self) -> Generator[bytes, None, None]:
        chunk = self.head
        while chunk:
            yield chunk
            self.position += len(chunk)
            chunk = self._next()

    def _next(self) -> bytes:
        import requests

        self._stop.check()
        with self._stop.waking(self._response.close):
            try:
                return bytes(next(self._pieces, b""))
            except (requests.RequestException, OSError) as error:
                raise self.damaged(f"broke off after {self.position} bytes: {_reason(error)}") from error
            finally:
                self._stop.check()

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()


@asynccontextmanager
async def open_oci(url: str, stop: Stop) -> AsyncIterator[OciSource]:
    """Open a file of an artifact: the one behind `#`, or the only one.

    A registry on this machine is spoken to in plain text, any other by TLS; passwords are those that `docker login`
    and `oras login` have kept.

    Raises:
        BenchError: it is not there, not for us, or the registry cannot be reached.
    """
    source = await anyio.to_thread.run_sync(_open, url, stop)
    try:
        yield source
    finally:
        source.close()


def _open(url: str, stop: Stop) -> OciSource:
    try:
        import requests

        from flowrunner.registry.connection import connect
    except ImportError as error:
        raise BenchError(
            "images from registries need oras", blame="config", help="pip install flowrunner[oci]"
        ) from error
    where, _, wanted = url.partition("#")
    reference = Reference.match(where)
    if reference is None:
        help = "write it as oci://registry.example.com/images/board:1.4"
        raise BenchError(f"image '{url}' could not be read: it is no name of an artifact", blame="config", help=help)
    try:
        registry, container = connect(reference, Access())
        layer = _layer(url, registry.get_manifest(container), unquote(wanted))
        response = registry.get_blob(container, layer["digest"], stream=True)
        response.raise_for_status()
        return OciSource(url, layer, response, stop)
    except (requests.RequestException, ValueError, OSError) as error:
        raise BenchError(f"image '{url}' could not be read: {_reason(error)}", blame="infra") from error


def _layer(url: str, manifest: Mapping[str, Any], wanted: str) -> Mapping[str, Any]:
    from flowrunner.registry.connection import TITLE

    layers = {layer.get("annotations", {}).get(TITLE, layer["digest"]): layer for layer in manifest.get("layers", ())}
    if wanted and wanted not in layers:
        raise BenchError(f"'{url}' has no file '{wanted}'", blame="config", help=near(wanted, layers))
    if not wanted and len(layers) != 1:
        help = f"name one behind '#': {', '.join(layers)}" if layers else "push one: oras push"
        raise BenchError(f"'{url}' has {len(layers)} files", blame="config", help=help)
    return layers[wanted] if wanted else next(iter(layers.values()))


def _reason(error: BaseException) -> str:
    """Why, without the library's wrapping."""
    import requests

    from flowrunner.registry.connection import cause

    if isinstance(error, requests.Timeout):
        return "it did not answer"
    text = str(error)
    known = {"Not Found": "it is not there", "Unauthorized": "it is not for us"}
    return next((words for mark, words in known.items() if mark in text), cause(error).partition("\n")[0])

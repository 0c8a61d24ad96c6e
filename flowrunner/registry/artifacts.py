"""Files of artifacts in an OCI registry, over oras: every byte that is pulled is held against its digest."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import oras.oci
import oras.provider
import requests

from flowrunner.errors import BenchError
from flowrunner.registry.connection import TITLE, cause, connect
from flowrunner.registry.reference import Access, Reference

UNPACK = "io.deis.oras.content.unpack"
ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
PIECE = 1 << 20


class Artifacts:
    """The artifacts of one repository of a registry; `noun` is what they are for people. Blocks: use it in a thread."""

    def __init__(self, reference: Reference, access: Access, noun: str) -> None:
        self.reference = reference
        self.noun = noun
        self._url = access.url(reference)
        with self._told():
            self._provider, self._container = connect(reference, access)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._provider.session.close()

    def manifest(self) -> tuple[Mapping[str, Any], str]:
        """The OCI manifest and its digest.

        Raises:
            BenchError: there is none, or not with the digest that was asked for.
        """
        url = f"{self._url}{self.reference.name}/manifests/{self.reference.digest or self.reference.tag}"
        with self._told():
            raw = self._asked(self._provider.do_request(url, "GET", headers={"Accept": ACCEPT})).content
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        if self.reference.digest not in (None, digest):
            raise self._wrong(f"is {digest} there, not {self.reference.digest}")
        try:
            found = json.loads(raw)
            assert isinstance(found["layers"], list)
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise self._wrong("is no artifact with layers") from error
        return found, digest

    def fetch(self, manifest: Mapping[str, Any], folder: Path) -> None:
        """Put the files of all layers below `folder`.

        Raises:
            BenchError: one is not what its digest says, has no name, or leads out.
        """
        for layer in manifest["layers"]:
            name = layer.get("annotations", {}).get(TITLE)
            if not name:
                raise self._wrong("has a layer without a name", help="push it by 'oras push'")
            place = PurePosixPath(name)
            if place.is_absolute() or ".." in place.parts:
                raise self._wrong(f"has a file '{name}', which leads out of it")
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            unpack = layer["annotations"].get(UNPACK) == "true"
            target = path.with_name(f".{path.name}.tar") if unpack else path
            self._blob(layer["digest"], target)
            if unpack:
                _unpack(target, path.parent)

    def push(self, folder: Path, kind: str) -> str:
        """Push all files of `folder` as an artifact of the media type `kind`; returns its digest."""
        manifest = oras.oci.NewManifest()
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        with self._told():
            for path in files:
                layer = oras.oci.NewLayer(str(path), media_type="application/octet-stream")
                layer["annotations"] = {TITLE: path.relative_to(folder).as_posix()}
                manifest["layers"].append(layer)
                self._asked(self._provider.upload_blob(str(path), self._container, layer))
            config, _ = oras.oci.ManifestConfig()
            manifest["config"] = {**config, "mediaType": kind}
            with oras.provider.temporary_empty_config() as empty:
                self._asked(self._provider.upload_blob(empty, self._container, manifest["config"]))
            answer = self._asked(self._provider.upload_manifest(manifest, self._container))
        return str(answer.headers.get("Docker-Content-Digest") or self.manifest()[1])

    def _blob(self, digest: str, path: Path) -> None:
        found = hashlib.sha256()
        with self._told():
            answer = self._asked(self._provider.get_blob(self._container, digest, stream=True))
            with answer, path.open("wb") as file:
                for piece in answer.iter_content(PIECE):
                    found.update(piece)
                    file.write(piece)
        if f"sha256:{found.hexdigest()}" != digest:
            raise self._wrong(f"is damaged: a file of it is sha256:{found.hexdigest()}, not {digest}")

    def _asked(self, answer: requests.Response) -> requests.Response:
        """The answer, when it is a good one."""
        match answer.status_code:
            case 200 | 201 | 202:
                return answer
            case 401 | 403:
                raise self._refused()
            case 404:
                raise self._wrong("is not there", help="look at its name and tag")
            case status:
                what = f"registry '{self.reference.registry}' answered {status} {answer.reason}"
                raise BenchError(what, blame="infra", said=answer.text[:500] or None)

    def _refused(self) -> BenchError:
        return BenchError(
            f"registry '{self.reference.registry}' does not let us at '{self.reference.name}'", blame="config",
            help="log in ('oras login'), set OCI_USERNAME and OCI_PASSWORD, or set username and password",
        )  # fmt: skip

    def _wrong(self, what: str, help: str | None = None) -> BenchError:
        return BenchError(f"{self.noun} '{self.reference}' {what}", blame="config", help=help)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What requests and oras raise, as errors of ours."""
        registry = self.reference.registry
        try:
            yield
        except requests.exceptions.SSLError as error:
            raise BenchError(
                f"registry '{registry}' could not be trusted: {cause(error)}", blame="config",
                help="set cacert to the file of its certificate, or insecure: true for plain HTTP",
            ) from error  # fmt: skip
        except requests.exceptions.RequestException as error:
            raise BenchError(
                f"registry '{registry}' did not answer: {cause(error)}", blame="infra",
                help="is it up, and is this the right address?",
            ) from error  # fmt: skip
        except ValueError as error:  # oras has no other for a login that was refused
            if "authentication" not in str(error):
                raise
            raise self._refused() from error


def _unpack(tar: Path, folder: Path) -> None:
    """Layers of whole folders are tars, as oras makes them."""
    try:
        with tarfile.open(tar) as opened:
            opened.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BenchError(f"the artifact's '{tar.name[1:-4]}' cannot be unpacked: {error}", blame="config") from error
    finally:
        tar.unlink()

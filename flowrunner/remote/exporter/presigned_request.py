"""A presigned request as a handle has it, and what of it is nobody's business."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urljoin, urlsplit

from flowrunner.errors import BenchError
from flowrunner.image.remote import public

PRIVATE = ("authorization", "cookie", "proxy-authorization")
PRIVATE_PREFIXES = ("x-amz-", "x-ms-", "x-goog-")
"""Header fields that are for the origin of a URL only."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask of whom. Its `repr` shows neither the query of the URL nor the header fields."""

    method: Literal["GET", "PUT"]
    url: str
    headers: Mapping[str, str]

    @classmethod
    def read(cls, handle: Mapping[str, Any], method: Literal["GET", "PUT"]) -> Self:
        """The request of a handle.

        Raises:
            BenchError: it is none, or one with another method.
        """
        match handle:
            case {"url": str(url), "headers": Mapping() as headers, "method": str(found)} if all(
                isinstance(key, str) and isinstance(value, str) for key, value in headers.items()
            ):
                pass
            case _:
                raise BenchError("a presigned request needs a URL, headers and a method", blame="config")
        if found.upper() != method:
            raise BenchError(f"the driver needs a presigned {method}, and got a {found}", blame="config")
        return cls(method, _checked(url), dict(headers))

    def __repr__(self) -> str:
        return f"{self.method} {public(self.url)}"

    def secrets(self) -> Iterator[str]:
        """What no message may hold: the query, its values, and private header fields."""
        query = urlsplit(self.url).query
        values = [value for _, value in parse_qsl(query)] + [part.partition("=")[2] for part in query.split("&")]
        yield from sorted({query, *values} - {""}, key=len, reverse=True)
        yield from (value for key, value in self.headers.items() if _private(key) and value)

    def redirected(self, location: str) -> Request:
        """The request to where a server pointed; another origin gets nothing private.

        Raises:
            BenchError: that is no URL.
        """
        if not _valid(location):
            raise BenchError(f"{self} was redirected to what is no URL", blame="infra")
        url = _checked(urljoin(self.url, location))
        if _origin(url) == _origin(self.url):
            return replace(self, url=url)
        kept = {key: value for key, value in self.headers.items() if not _private(key)}
        return replace(self, url=url, headers=kept)


def _checked(url: str) -> str:
    """`url`, when it is one of HTTP. What is wrong with another is not told, for that may be a secret."""
    if not _valid(url):
        raise BenchError("a presigned request has no valid URL", blame="config")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise BenchError(f"'{public(url)}' is no URL of HTTP", blame="config")
    return url


def _valid(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _private(key: str) -> bool:
    return key.lower() in PRIVATE or key.lower().startswith(PRIVATE_PREFIXES)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)

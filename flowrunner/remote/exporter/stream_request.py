"""What a client asks of RouterService on an exporter: the metadata `request`, as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from flowrunner.errors import BenchError
from flowrunner.remote.wire import ENCODING, REQUEST

Uuid = Annotated[str, AfterValidator(lambda text: str(UUID(text)))]
"""A uuid in any of its spellings; always lower case with hyphens here."""


class DriverStream(BaseModel):
    """The stream `method` of a driver."""

    model_config = ConfigDict(strict=True)
    kind: Literal["driver"]
    uuid: Uuid
    method: str


class ResourceStream(BaseModel):
    """A stream that a later call of a driver reads or writes; `encoding` says how its content is packed."""

    model_config = ConfigDict(strict=True)
    kind: Literal["resource"]
    uuid: Uuid
    encoding: str | None = Field(default=None, alias=ENCODING)


_REQUEST: TypeAdapter[DriverStream | ResourceStream] = TypeAdapter(
    Annotated[DriverStream | ResourceStream, Field(discriminator="kind")]
)


def read_request(metadata: Iterable[tuple[str, str | bytes]] | None) -> DriverStream | ResourceStream:
    """The request among an rpc's metadata.

    Raises:
        BenchError: there is none, or more than one, or it makes no sense.
    """
    found = [value for key, value in metadata or () if key == REQUEST]
    if len(found) != 1:
        raise BenchError(f"a stream needs the metadata '{REQUEST}' once, not {len(found)} times", blame="config")
    try:
        return _REQUEST.validate_json(found[0])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        what = f"the metadata '{REQUEST}' makes no sense" + (f" at '{place}'" if place else "") + f": {first['msg']}"
        raise BenchError(what, blame="config") from error

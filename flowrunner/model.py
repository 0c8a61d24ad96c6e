"""The words of the language as types: outcomes, quantities with units, versions, secrets."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Kind = Literal["setup", "test"]
"""What a miss means: `setup` is the lab's fault, `test` is the product's."""

Type = Literal[
    "string", "int", "float", "bool", "duration", "size", "version", "regex",
    "file", "directory", "list", "map", "secret", "any",
]  # fmt: skip
"""The types that inputs, outputs and expressions have."""


class Outcome(StrEnum):
    """How a step, a scope or a run ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    CANCELED = "canceled"
    SKIPPED = "skipped"


class Model(BaseModel):
    """Base of everything read from a file: unknown keys are errors, values are frozen.

    The docstring below a field is its help; `flowrunner.describe` reads it when it is wanted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class _Quantity:
    """A number with a unit: text in YAML, a plain number with a readable `str()` here."""

    noun: ClassVar[str]
    examples: ClassVar[tuple[str, str]]
    units: ClassVar[dict[str, float]]
    pattern: ClassVar[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `text`, such as `1h30m` or `64MiB`.

        Raises:
            ValueError: no number, no unit, or a unit that is not known.
        """
        if re.fullmatch(r"[+-]?\d+(\.\d+)?", text.strip()):
            raise ValueError(f"needs {cls.noun}, got the number {text.strip()}")
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([A-Za-zµ]+)", text)
        if not parts or not re.fullmatch(r"\s*(\d+(\.\d+)?\s*[A-Za-zµ]+\s*)+", text):
            raise ValueError(f"needs {cls.noun}, got {text!r}")
        total = 0.0
        for number, unit in parts:
            if unit not in cls.units:
                raise ValueError(
                    f"needs {cls.noun}, got {text!r}: the unit {unit!r} is not one of {', '.join(cls.units)}"
                )
            total += float(number) * cls.units[unit]
        return cls(total)  # type: ignore[call-arg]

    @classmethod
    def _coerce(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            try:
                return cls.parse(value)
            except ValueError as error:
                raise PydanticCustomError(
                    "quantity", "{why}", {"why": str(error), "help": cls._advice(value)}
                ) from error
        said = f"the number {value}" if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)
        raise PydanticCustomError(
            "quantity", "{why}", {"why": f"needs {cls.noun}, got {said}", "help": cls._advice(value)}
        )

    @classmethod
    def _advice(cls, value: Any) -> str:
        plain = re.fullmatch(r"\d+(\.\d+)?", str(value).strip())
        shown = (f"{str(value).strip()}{re.sub('[0-9.]', '', example)}" for example in cls.examples)
        return ("add a unit: " if plain else "write it as ") + ", ".join(shown if plain else cls.examples)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._coerce, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": cls.pattern, "examples": list(cls.examples)}


class Duration(_Quantity, float):
    """A span of time in seconds; `10s`, `1h30m`, `250ms` in a pipeline."""

    noun = "a duration"
    examples = ("10s", "10m")
    units = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    pattern = r"^\s*(\d+(\.\d+)?\s*(us|µs|ms|s|m|h|d)\s*)+$"

    def __str__(self) -> str:
        if self < 0:
            return f"-{Duration(-self)}"
        for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
            if self >= size:
                rest = Duration(self - self // size * size)
                return f"{int(self // size)}{unit}" + (str(rest) if rest >= 0.001 else "")
        if 0 < self < 1:
            return f"{self * 1000:.6g}ms"
        return f"{round(float(self), 3):.6g}s"

    def __add__(self, other: float) -> Duration:
        return Duration(float(self) + float(other))

    def __sub__(self, other: float) -> Duration:
        return Duration(float(self) - float(other))

    def __neg__(self) -> Duration:
        return Duration(-float(self))

    def __mul__(self, factor: float) -> Duration:
        return Duration(float(self) * factor) if isinstance(factor, int | float) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> float:
        quotient = float(self) / float(other)
        return quotient if isinstance(other, Duration) else Duration(quotient)


class Size(_Quantity, int):
    """A number of bytes; `64MiB`, `1GB` in a pipeline."""

    noun = "a size"
    examples = ("64MiB", "4GB")
    units = {
        "B": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
        "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40,
    }  # fmt: skip
    pattern = r"^\s*\d+(\.\d+)?\s*(B|[kK]B|[MGT]B|[KMGT]iB)\s*$"

    def __str__(self) -> str:
        for unit, size in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
            if self >= size:
                return f"{round(int(self) / size, 2):g}{unit}"
        return f"{int(self)}B"

    def __add__(self, other: int) -> Size:
        return Size(int(self) + int(other))

    def __sub__(self, other: int) -> Size:
        return Size(int(self) - int(other))

    def __mul__(self, factor: float) -> Size:
        return Size(int(self) * factor) if isinstance(factor, int | float) else NotImplemented

    __rmul__ = __mul__


def _seconds(value: Any) -> Any:
    return float(Duration.parse(value)) if isinstance(value, str) and not re.fullmatch(r"[\d.]+", value) else value


class _Before:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_seconds, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": Duration.pattern}]}


Seconds = Annotated[float, Field(ge=0), _Before()]
"""Seconds in a driver's configuration and in a call: a number, or text with a unit."""


class _Beside:
    """Resolves a path against the folder that the validation's context names."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def resolve(path: Path, info: core_schema.ValidationInfo) -> Path:
            folder = (info.context or {}).get("folder")
            return Path(folder, path.expanduser()) if folder else path

        return core_schema.with_info_after_validator_function(resolve, handler(source))


FilePath = Annotated[Path, _Beside()]
"""A path in a driver's config: relative ones start in the folder of the file that they are written in."""


class TextFrom(Model):
    """Where a text is that is not written here: in a variable of the environment, or in a file."""

    env: str | None = None
    """The variable's name."""

    file: FilePath | None = None
    """The file, relative to this one; spaces and line ends around the text are left out."""


def _form(value: object) -> str:
    return "[mapping]" if isinstance(value, dict | TextFrom) else "[text]"


GivenText = Annotated[Annotated[str, Tag("[text]")] | Annotated[TextFrom, Tag("[mapping]")], Discriminator(_form)]
"""A text, or `{env: NAME}`, or `{file: PATH}`: for what should not be written into a file that others read."""


class Version(str):
    """A dotted version that compares by its numbers: `1.10` is newer than `1.9`; a suffix comes before its release."""

    __slots__ = ()

    def _key(self) -> tuple[Any, ...]:
        head, _, suffix = self.lstrip("vV").replace("_", "-").partition("-")
        numbers = tuple((0, int(p), "") if p.isdigit() else (-1, 0, p) for p in re.findall(r"\d+|[A-Za-z]+", head))
        tail = tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in re.findall(r"\d+|[A-Za-z]+", suffix))
        return (numbers, not suffix, tail)

    def __lt__(self, other: str) -> bool:
        return self._key() < Version(other)._key()

    def __le__(self, other: str) -> bool:
        return self._key() <= Version(other)._key()

    def __gt__(self, other: str) -> bool:
        return self._key() > Version(other)._key()

    def __ge__(self, other: str) -> bool:
        return self._key() >= Version(other)._key()


class Secret(str):
    """Text that must never be printed; an expression that touches one gives one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


class _Sensitive:
    """Marks a parameter that a secret may flow into; the compiler looks for it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(lambda value: value, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "x-secret": True}


SENSITIVE = _Sensitive()
SecretText = Annotated[str, SENSITIVE]
"""A text parameter that may hold a secret."""

"""A context for tests of steps: it works as the engine's does, and keeps what a step told it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, cast

import anyio

from flowrunner.device import Device
from flowrunner.interface import Interface
from flowrunner.model import Duration
from flowrunner.step import ConsoleSession, Context

I = TypeVar("I", bound=Interface)  # noqa: E741
T = TypeVar("T")


class Stopped(Exception):
    """What `stop` raises here."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(f"{outcome}: {message}")
        self.outcome = outcome
        self.message = message


@dataclass
class Told:
    """All that a step told its context."""

    logs: list[tuple[str, str]] = field(default_factory=list)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    progress: list[tuple[float, float | None, str]] = field(default_factory=list)
    stdout: bytes = b""
    stderr: bytes = b""
    created: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    removed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    artifacts: list[Path] = field(default_factory=list)


class RecordingContext(Context):
    """A context of one device, `dut`, in a folder of its own; `told` is what the step told.

    `device` is the role's tree of clients, `consoles` are sessions by path (`dut.console`).
    """

    def __init__(
        self, folder: Path, device: Device | None = None, consoles: Mapping[str, ConsoleSession] | None = None
    ) -> None:
        self.folder = self.home = folder
        self.work = folder / "work"
        self.work.mkdir(exist_ok=True)
        self.kept = folder / "artifacts"
        self.environment = dict(os.environ)
        self.update_snapshots = False
        self.ci = False
        self.told = Told()
        self.deadline: float | None = None
        self._device = device
        self._consoles = dict(consoles or {})
        self._start = anyio.current_time()
        self.kept_open = AsyncExitStack()

    def now(self) -> Duration:
        return Duration(anyio.current_time() - self._start)

    def remaining(self) -> float | None:
        return None if self.deadline is None else self.deadline - anyio.current_time()

    def use(self, *wanted: type[I], path: str | None = None) -> I:
        assert self._device, "the test gave no device"
        part = (path or "").removeprefix("dut").removeprefix(".")
        return cast("I", self._device.at(self._device.find(*wanted, path=part)).client)

    def locate(self, *wanted: type[Interface], path: str | None = None) -> str:
        assert self._device, "the test gave no device"
        part = (path or "").removeprefix("dut").removeprefix(".")
        return f"dut.{self._device.find(*wanted, path=part)}"

    def find(self, path: str) -> Any:
        assert self._device, "the test gave no device"
        return self._device.at(path.partition(".")[2]).client

    def skip_output(self) -> None:
        for session in self._consoles.values():
            session.skip()

    def console(self, path: str | None = None) -> ConsoleSession:
        return self._consoles[path] if path else next(iter(self._consoles.values()))

    def path(self, text: str) -> Path:
        return self.folder / Path(text).expanduser()

    def artifact(self, name: str, *, title: str | None = None) -> Path:
        self.kept.mkdir(exist_ok=True)
        path, number = self.kept / name, 1
        while path in self.told.artifacts:
            number += 1
            path = self.kept / f"{Path(name).stem}-{number}{Path(name).suffix}"
        self.told.artifacts.append(path)
        return path

    def log(self, message: str, *, level: Literal["info", "warning", "error"] = "info") -> None:
        self.told.logs.append((level, message))

    def progress(self, done: float, total: float | None = None, *, unit: str = "B") -> None:
        self.told.progress.append((done, total, unit))

    def output(self, data: bytes, *, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        setattr(self.told, stream, getattr(self.told, stream) + data)

    def measurement(self, values: dict[str, Any]) -> None:
        self.told.measurements.append(values)

    def snapshot(self, values: dict[str, Any]) -> None:
        self.told.snapshots.append(values)

    @contextmanager
    def created(self, kind: Literal["process", "folder", "file"], **facts: Any) -> Iterator[None]:
        self.told.created.append((kind, facts))
        yield
        self.told.removed.append((kind, facts))

    async def keep(self, resource: AbstractAsyncContextManager[T]) -> T:
        return await self.kept_open.enter_async_context(resource)

    def stop(self, outcome: Literal["passed", "failed", "errored"], message: str) -> NoReturn:
        raise Stopped(outcome, message)

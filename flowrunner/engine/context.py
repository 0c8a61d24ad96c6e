"""The context of one attempt of one step."""

from __future__ import annotations

import hashlib
import mimetypes
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, cast

import anyio

from flowrunner.engine.held import Held
from flowrunner.engine.kept import Beside, Kept
from flowrunner.engine.result import Result
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.engine.supervise import Idle
from flowrunner.errors import BenchError, Blame, PipelineError, near
from flowrunner.interface import Interface
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration, Outcome
from flowrunner.pipeline.plan import StepNode
from flowrunner.step import ConsoleSession, Context

I = TypeVar("I", bound=Interface)  # noqa: E741
T = TypeVar("T")


class StopRun(Exception):
    """The action `stop`: the body ends here, with this result."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.message)
        self.result = result


class StepContext(Context):
    """What a step may use."""

    def __init__(
        self, run: Run, site: Site, node: StepNode, path: str, deadline: float | None, idle: Idle,
        tap: Callable[[bytes], None] | None = None,
    ) -> None:  # fmt: skip
        self._run = run
        self._site = site
        self._node = node
        self._path = path
        self._deadline = deadline
        self._idle = idle
        self._tap = tap
        self.last_console: ConsoleSession | None = None
        self._artifacts: list[tuple[str, Path]] = []
        self.kept = Beside()
        self.over = False
        self.home = run.plan.file.parent
        self.folder = site.home or self.home
        self.environment = {**run.options.environment, "FLOW_RUN_ID": run.id, "FLOW_RUN_DIR": str(run.folder)}
        self.update_snapshots = run.options.update_snapshots
        self.ci = run.options.ci

    @cached_property
    def work(self) -> Path:  # type: ignore[override] # made when it is first asked for: most steps need none
        return self._run.scratch()

    def tidy(self) -> None:
        """Remove the scratch folder, if there is one."""
        if "work" in vars(self):
            shutil.rmtree(self.work, ignore_errors=True)

    def now(self) -> Duration:
        now = self._run.clock.now()
        return self._run.witness.now(now) if self._run.witness else now

    def remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - anyio.current_time())

    def use(self, *wanted: type[I], path: str | None = None) -> I:
        held, part = self._held(path)
        node = held.lease.device.at(held.lease.device.find(*wanted, path=part))
        return cast("I", node.client)

    def locate(self, *wanted: type[Interface], path: str | None = None) -> str:
        held, part = self._held(path)
        found = held.lease.device.find(*wanted, path=part)
        return f"{held.role}.{found}" if found else held.role

    def find(self, path: str) -> Any:
        role, _, part = path.partition(".")
        return self._role(role).lease.device.at(part).client

    def console(self, path: str | None = None) -> ConsoleSession:
        held, part = self._held(path)
        session = held.console(held.lease.device.find(Console, path=part))
        held.follow(session.name, self._idle.sign)
        self.last_console = session
        return session

    def skip_output(self) -> None:
        held, _ = self._held(None)
        held.skip_output()

    def path(self, text: str) -> Path:
        return self.folder / Path(text).expanduser()

    def artifact(self, name: str, *, title: str | None = None) -> Path:
        path = self._run.artifact_path(name)
        self._artifacts.append((title or name, path))
        return path

    def log(self, message: str, *, level: Literal["info", "warning", "error"] = "info") -> None:
        self._run.journal.write("log", path=self._path, level=level, message=message)

    def progress(self, done: float, total: float | None = None, *, unit: str = "B") -> None:
        self._idle.sign()
        self._run.journal.show("progress", path=self._path, done=done, total=total, unit=unit)

    def output(self, data: bytes, *, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        self._idle.sign()
        if self._tap:
            self._tap(data)
        self._run.output(self._path, data, stream)

    def measurement(self, values: dict[str, Any]) -> None:
        self._run.journal.write("measurement", path=self._path, **values)

    def snapshot(self, values: dict[str, Any]) -> None:
        self._run.journal.write("snapshot", path=self._path, **values)

    @contextmanager
    def created(self, kind: Literal["process", "folder", "file"], **facts: Any) -> Iterator[None]:
        self._run.journal.write("created", durable=True, path=self._path, kind=kind, facts=facts)
        yield
        self._run.journal.write("removed", path=self._path, kind=kind, facts=facts)

    async def keep(self, resource: AbstractAsyncContextManager[T]) -> T:
        kept = Kept(self._path, self._node.where)
        value = await kept.open(resource)
        if self.over:
            await kept.end()
            raise BenchError("the step that wants to keep it is over", blame="internal")
        kept.told(lambda what: self.log(what, level="error"))
        self.kept.add(kept)
        return value

    def stop(self, outcome: Literal["passed", "failed", "errored"], message: str) -> NoReturn:
        blame: Blame | None = "config" if outcome == "errored" else None
        raise StopRun(
            Result(outcome=Outcome(outcome), path=self._path, cause="stop", blame=blame, message=message,
                   where=self._node.where)
        )  # fmt: skip

    def record_artifacts(self) -> None:
        """Record what the step wrote, with secrets masked in it."""
        for title, path in self._artifacts:
            if path.is_file():
                self._run.mask_file(path)
                self._run.journal.write(
                    "artifact", path=self._path, name=path.name, title=title, size=path.stat().st_size,
                    file=str(path.relative_to(self._run.folder)), media=mimetypes.guess_type(path.name)[0],
                    sha256=_sha256(path),
                )  # fmt: skip
        self._artifacts.clear()

    def _held(self, path: str | None) -> tuple[Held, str]:
        full = path or self._node.device
        if full is None:
            raise PipelineError(f"'{self._node.action}' uses a device, and none is in scope", code="no-device")
        role, _, part = full.partition(".")
        if role not in self._site.held and self._node.device is not None:
            role, _, _ = self._node.device.partition(".")
            part = full
        return self._role(role), part

    def _role(self, role: str) -> Held:
        if role not in self._site.held:
            raise PipelineError(f"no device '{role}'", code="unknown-device", help=near(role, self._site.held))
        return self._site.held[role]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

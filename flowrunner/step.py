"""What a step is: a model whose fields are the YAML keys, and a run method that gets a context."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict

from flowrunner.console.patterns import ConsoleSession as ConsoleSession
from flowrunner.interface import Interface
from flowrunner.model import Duration, Kind, Model

I = TypeVar("I", bound=Interface)  # noqa: E741
T = TypeVar("T")


class Outputs(BaseModel):
    """Base of what later steps may read: declared, typed, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Step(Model, ABC):
    """One action: its fields are the keys in YAML, the class docstring is its documentation page.

    `shorthand` names the field that a bare scalar fills, `kind` is what a miss means unless the author says so,
    `interfaces` are those that the device must offer, one of them is enough; empty means that no device is needed.
    `lasting` says that what it does to a device is still there after a power cycle: `flow resume` does not repeat it.
    `outside` says that it works on more than drivers and consoles (files, processes, servers, whole images): a replay
    does not do that again, but takes over how it ended.
    """

    shorthand: ClassVar[str | None] = None
    kind: ClassVar[Kind] = "test"
    interfaces: ClassVar[tuple[type[Interface], ...]] = ()
    lasting: ClassVar[bool] = False
    outside: ClassVar[bool] = False

    @abstractmethod
    async def run(self, context: Context) -> Outputs | None:
        """Do it.

        Raises:
            ExpectationError: what was expected did not come.
            BenchError: a device or tool did not do as asked.
        """

    @classmethod
    def wants(cls, given: Mapping[str, Any]) -> tuple[type[Interface], ...]:
        """The interfaces of which the device must offer one, for a step with the parameters `given`, as written."""
        return cls.interfaces

    @classmethod
    def stored_files(cls, given: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
        """The files, by path or URL, that a step with the parameters `given`, as written, reads, and their digests."""
        return iter(())

    def with_digests(self, digest: Callable[[str, str | None], str | None]) -> Self:
        """This step with the digests that its files must have: of each by its name, and the digest that it has now."""
        return self

    @classmethod
    def outputs_model(cls) -> type[Outputs] | None:
        """What `run` returns, from its annotation."""
        declared = get_type_hints(cls.run).get("return")
        kinds = getattr(declared, "__args__", (declared,))
        return next((k for k in kinds if isinstance(k, type) and issubclass(k, Outputs)), None)


class Context(ABC):
    """What a step may use. The engine makes one for each attempt."""

    folder: Path
    """The folder of the file that the step is written in: relative paths start here."""

    home: Path
    """The folder of the pipeline that runs: goldens are kept here."""

    work: Path
    """A scratch folder of this attempt; it is removed behind it."""

    environment: dict[str, str]
    """The environment for commands: that of the runner and FLOW_* facts of this run."""

    update_snapshots: bool
    """Whether goldens are to be written (`flow run --update-snapshots`)."""

    ci: bool
    """Whether this runs unattended: a missing golden is a failure then."""

    @abstractmethod
    def now(self) -> Duration:
        """Seconds since the run started."""

    @abstractmethod
    def remaining(self) -> float | None:
        """Seconds until the nearest deadline above this step; None when there is none."""

    @abstractmethod
    def use(self, *wanted: type[I], path: str | None = None) -> I:
        """The client of the step's device that offers one of `wanted`; `path` names a part of it."""

    @abstractmethod
    def locate(self, *wanted: type[Interface], path: str | None = None) -> str:
        """The full path, such as `dut.tftp`, of the part whose client `use` gives."""

    @abstractmethod
    def find(self, path: str) -> Any:
        """The client at a full path such as `dut.power`, whatever it offers."""

    @abstractmethod
    def console(self, path: str | None = None) -> ConsoleSession:
        """The console session of the step's device."""

    @abstractmethod
    def skip_output(self) -> None:
        """Let what the step's device has printed so far count no more: nothing waits for it from here on."""

    @abstractmethod
    def path(self, text: str) -> Path:
        """A path of the author's, relative to the pipeline's folder."""

    @abstractmethod
    def artifact(self, name: str, *, title: str | None = None) -> Path:
        """A new file in the run's folder, kept and shown in the report; a name that is taken gets a number.

        Write it before the step ends: it is recorded then.
        """

    @abstractmethod
    def log(self, message: str, *, level: Literal["info", "warning", "error"] = "info") -> None:
        """A line for people, in the terminal and the report."""

    @abstractmethod
    def progress(self, done: float, total: float | None = None, *, unit: str = "B") -> None:
        """How far the step is; also a sign of life for `idle_timeout`."""

    @abstractmethod
    def output(self, data: bytes, *, stream: Literal["stdout", "stderr"] = "stdout") -> None:
        """Live output of a command, shown and logged as it comes."""

    @abstractmethod
    def measurement(self, values: dict[str, Any]) -> None:
        """A measurement with its limits and verdict, for the reports."""

    @abstractmethod
    def snapshot(self, values: dict[str, Any]) -> None:
        """A comparison with a golden, for the reports: the fields of the journal's event `snapshot` but its path."""

    @abstractmethod
    def created(self, kind: Literal["process", "folder", "file"], **facts: Any) -> AbstractContextManager[None]:
        """Journal what is about to exist, and afterwards that it is gone, so that `flow recover` can clean up.

        For `process` the facts are known only when it runs: give `group` (a process group's id) right after the start.
        """

    @abstractmethod
    async def keep(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Enter `resource` and keep it for later steps, until the scope that this step stands in ends.

        It is left behind the scope's `finally` and before its devices are given back, in reverse order, however the
        scope ended; at once when this attempt does not pass. Whoever kills the runner leaves nothing: say with
        `created` what would be left on the disk. One that breaks in between makes the scope errored.
        """

    @abstractmethod
    def stop(self, outcome: Literal["passed", "failed", "errored"], message: str) -> None:
        """End the run's body here with this outcome; `finally` still runs. Does not return."""

"""Running an exporter on this machine: its bench is locked, served, and served again when that fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio

from flowrunner.errors import FlowrunnerError
from flowrunner.lab.config import load_one
from flowrunner.lab.desk.held import hold
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Listen
from flowrunner.remote.exporter.process import Report
from flowrunner.remote.exporter.supervisor import Limits, Supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What is served, and who is told of it.

    `ready` is told where clients are served, `failed` of an error and says with which status to exit, `say` takes lines
    for people.
    """

    path: Path
    listens: Sequence[Listen]
    environment: Mapping[str, str]
    ready: Callable[[Sequence[Address]], None]
    failed: Callable[[FlowrunnerError], int]
    say: Callable[[str], None]

    def run(self, *, supervise: bool) -> int:
        """Serve until told to stop; returns the exit status.

        Raises:
            PipelineErrors: the file is wrong.
            BenchError: another has the bench.
        """
        exporter = load_one(self.path)
        lock = anyio.run(hold, exporter, "flow exporter run", self.environment, None)
        try:
            serve = partial(self._serve, lock.path.with_suffix(".owed"))
            if not supervise:
                return serve(None, [])
            found = exporter.source.exporter.failure_detection
            limits = Limits(found.max_rapid_failures, found.rapid_failure_window) if found else Limits()
            return Supervisor(serve, limits, self.say).run()
        finally:
            lock.free()

    def _serve(self, owed: Path, report: Report | None, before: Sequence[str]) -> int:
        # gRPC starts threads and must not be in a process that forks: it is loaded behind the fork.
        from flowrunner.remote.exporter.debt import Debt
        from flowrunner.remote.exporter.serve import Service
        from flowrunner.remote.exporter.systemd import Notifier

        addresses = [Address.parse(text) for text in before] or [listen.address for listen in self.listens]
        listens = [replace(listen, address=address) for listen, address in zip(self.listens, addresses, strict=True)]

        def ready(addresses: Sequence[Address]) -> None:
            if report:
                report.say(addresses=[str(address) for address in addresses])
            self.ready(addresses)

        async def main() -> None:
            service = Service(self.path, listens, Notifier(self.environment), ready, Debt(owed))
            await service.run(report.alive if report else None)

        try:
            anyio.run(main)
        except FlowrunnerError as error:
            if report:
                report.say(error=error.what)
            return self.failed(error)
        return 0

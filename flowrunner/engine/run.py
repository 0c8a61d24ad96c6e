"""A run, from plan to outcome."""

from __future__ import annotations

import json
import os
import pwd
import secrets as random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowrunner import __version__
from flowrunner.engine.clock import Clock
from flowrunner.engine.folder import create_folder
from flowrunner.engine.halt import Halt
from flowrunner.engine.journal import Journal, Listener
from flowrunner.engine.lab import Lab, Owner
from flowrunner.engine.mask import Masker
from flowrunner.engine.names import Frame
from flowrunner.engine.past import Past
from flowrunner.engine.result import EXIT, Result
from flowrunner.engine.scope import run_scope
from flowrunner.engine.site import Site
from flowrunner.engine.state import Options, Run
from flowrunner.errors import BenchError
from flowrunner.model import Outcome, Secret
from flowrunner.pipeline.encode import plan_json
from flowrunner.pipeline.plan import Plan


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended: `exit` is the process's exit status."""

    id: str
    folder: Path
    result: Result
    exit: int


class Runner:
    """One run of one plan. `cancel` may be called at any moment, from the event loop's thread."""

    def __init__(
        self, plan: Plan, secrets: Mapping[str, Secret], lab: Lab, runs: Path, options: Options | None = None,
        past: Past | None = None,
    ) -> None:  # fmt: skip
        """Prepare a run below the folder `runs`, or go on with that of `past`; nothing is written before `run`."""
        self.past = past
        self._plan = plan
        self._secrets = secrets
        self._lab = lab
        self._options = options or Options()
        self.id = str(past.facts["id"]) if past else new_id()
        self.folder = runs / self.id
        self._body, self._last = Halt(), Halt()
        self._journal: Journal | None = None
        self._level = 0

    def give_up(self, reason: Result) -> None:
        """End the steps and `finally` at once for `reason`."""
        self._body.request(reason)
        self._last.request(reason)

    def cancel(self, by: str) -> int:
        """Ask the run to end: first the steps, the second time `finally` as well. Returns how often it was asked."""
        self._level += 1
        if self._journal:
            self._journal.write("cancel.requested", level=self._level, by=by)
        reason = Result(outcome=Outcome.CANCELED, cause="cancel", message=f"canceled by {by}", because=by)
        self._body.request(reason)
        if self._level > 1:
            self._last.request(reason)
        return self._level

    async def run(self, listeners: Sequence[Listener] = ()) -> Finished:
        """Run the plan to its end, whatever it is.

        Raises:
            BenchError: the run's folder could not be made or written.
        """
        past = self.past.events if self.past else ()
        with create_folder(self.folder, again=bool(past)):
            clock = Clock(float(past[-1]["t"]) if past else 0.0)
            masker = Masker((*self._secrets.values(), *self._options.hidden))
            journal = Journal(
                self.folder / "journal.jsonl", clock, masker, first=len(past), fsync=self._options.fsync,
                on_failure=self._give_up,
            )  # fmt: skip
            self._journal = journal
            for listener in listeners:
                journal.listen(listener)
            folder = str(self.folder.resolve())
            owner = Owner(run=self.id, pipeline=self._plan.name, user=_user(), pid=os.getpid(), folder=folder)
            run = Run(
                id=self.id, folder=self.folder, plan=self._plan, options=self._options, clock=clock, masker=masker,
                journal=journal, lab=self._lab, owner=owner, body=self._body, last=self._last, past=self.past,
            )  # fmt: skip
            witness = self._options.witness
            try:
                if witness:
                    witness.begin(run)
                return await self._run(run)
            finally:
                if witness:
                    witness.end()
                self._journal = None
                journal.close()
                shutil.rmtree(self.folder / "work", ignore_errors=True)

    def _keep_plan(self, masker: Masker) -> None:
        """Write the plan, with the text that it came from, beside the journal."""
        plan = masker.data({**plan_json(self._plan), "sources": dict(self._plan.sources)})
        try:
            (self.folder / "plan.json").write_text(json.dumps(plan, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            raise BenchError(f"{self.folder} could not be written: {error.strerror}", blame="infra") from error

    def _give_up(self, error: BenchError) -> None:
        """The journal cannot be written: no further step may start."""
        self._body.request(
            Result(outcome=Outcome.ERRORED, cause="cancel", blame="infra", message=error.what, help=error.help)
        )

    async def _run(self, run: Run) -> Finished:
        self._keep_plan(run.masker)
        wall = datetime.now(UTC)
        run.journal.write(
            "run.resumed" if self.past else "run.started", durable=True, id=self.id, pipeline=self._plan.name,
            file=str(self._plan.file), plan=self._plan.digest, version=__version__, wall=wall.isoformat(),
            cwd=str(Path.cwd()), pid=os.getpid(), inputs=dict(self._plan.inputs), ci=self._options.ci,
            **_part(self._options), **self._options.facts,
        )  # fmt: skip
        fixed: dict[str, Any] = {
            "inputs": dict(self._plan.inputs),
            "secrets": dict(self._secrets),
            "env": dict(self._options.environment),
            "run": {
                "id": self.id,
                "dir": str(self.folder),
                "started": str(self.past.facts["wall"]) if self.past else wall.isoformat(),
            },
        }
        site = Site(frame=Frame(fixed), halt=run.body, held={})
        chosen = self._options.chosen
        result = await run_scope(run, site, chosen.scope(self._plan.scope) if chosen else self._plan.scope, "")
        if result.outputs:
            run.journal.write("outputs", values=dict(result.outputs))
        exit = EXIT[result.outcome]
        cause = None if result.good else {"path": result.path, **result.facts()}
        run.journal.write(
            "run.finished", durable=True, outcome=result.outcome.value, exit=exit, seconds=run.clock.now(), cause=cause
        )
        return Finished(self.id, self.folder, result, exit)


def _part(options: Options) -> dict[str, Any]:
    """The facts of a run that does only a part of the plan."""
    return {"part": {"jobs": options.chosen.names, "ending": options.chosen.ending}} if options.chosen else {}


def new_id() -> str:
    """A run's id: when it started, and something that tells it from others of that second."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{random.token_hex(2)}"


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"

"""`background`: a command that goes on beside the rest of its scope."""

from __future__ import annotations

from dataclasses import replace

from flowrunner.expressions import Expression
from flowrunner.expressions.names import Unavailable
from flowrunner.pipeline import plan
from flowrunner.pipeline.actions import Parts, find_action
from flowrunner.pipeline.common import read_common
from flowrunner.pipeline.here import Here
from flowrunner.pipeline.language import ReadyKeys
from flowrunner.pipeline.steps import make_step
from flowrunner.source import Mapping, Node, Scalar

COMMANDS = ("run", "shell")
USELESS = {"timeout", "idle_timeout", "retry", "foreach", "interruptible", "on"}
HIDDEN = Unavailable("what runs in the background leaves nothing for later steps", "let it write a file")


def compile_background(here: Here, parts: Parts, position: int) -> plan.Background | None:
    """A command that is started, and ended with its scope."""
    for key in USELESS & set(parts.common):
        what, advice = f"background has no key '{key}'", "it lasts as long as its scope; ready has its own within"
        here.problems.add(what, code="unknown-key", where=parts.common[key][0].where, help=advice)
    kept = {name: entry for name, entry in parts.common.items() if name not in USELESS}
    parts = replace(parts, common=kept)
    common = read_common(here, parts, position, defaults=False)
    here.known.hide(common.id, HIDDEN)
    value = parts.value
    if not isinstance(value, Mapping):
        advice = "write it as background: {run: ./server, ready: 'listening on'}"
        what = "background needs a mapping with run or shell"
        here.problems.add(what, code="wrong-type", where=value.where, help=advice)
        return None
    commands = [(key, node) for key, node in value.entries if key.value in COMMANDS]
    _check_keys(here, parts, value, len(commands))
    if len(commands) != 1:
        return None
    command, node = commands[0]
    around = {**here.defaults.common, **kept}
    inside = Parts(value, command, node, common={n: e for n, e in around.items() if n in ("kind", "device")}, scope={})
    body_common = read_common(common.inner, inside, 1, defaults=False)
    kind = find_action(here.problems, str(command.value), command.where)
    if kind is None:
        return None
    body = make_step(inside, kind, body_common, lambda steps, place: ())
    without = {"kind", "device"}
    fields = replace(common, entries={n: e for n, e in common.entries.items() if n not in without}).fields(
        common.id or f"background {command.value}", lambda steps, place: ()
    )
    return plan.Background(body=body, ready=_ready(common.inner, value), **fields)


def _check_keys(here: Here, parts: Parts, value: Mapping, commands: int) -> None:
    unknown = [key for key, _ in value.entries if key.value not in (*COMMANDS, "ready")]
    ready = value.key("ready")
    for key in unknown:
        what = f"background has no key '{key.value}'"
        here.problems.add(what, code="unknown-key", where=key.where, help="it has run or shell, and ready")
    if commands == 2:
        second = [key for key, _ in value.entries if key.value in COMMANDS][1]
        here.problems.add("background has run or shell, not both", code="two-actions", where=second.where)
    elif ready and any(key.value == "shell" for key, _ in value.entries):
        what, advice = "ready goes with run only", "what a shell prints is on the console: wait for it with expect"
        here.problems.add(what, code="unknown-key", where=ready.where, help=advice)
    elif commands == 0:
        what = "background needs run or shell"
        here.problems.add(what, code="missing-key", where=parts.action.where, help="give it the command to start")


def _ready(here: Here, value: Mapping) -> plan.Ready | None:
    node: Node | None = value.get("ready")
    if node is None:
        return None
    if isinstance(node, Scalar) and isinstance(node.value, str):
        name = Scalar("pattern", node.where, "pattern", plain=True)
        node = Mapping(((name, node),), node.where)
    if not isinstance(node, Mapping):
        advice = "write it as ready: 'listening on', or {pattern: ..., within: 10s}"
        here.problems.add("ready needs a pattern", code="wrong-type", where=node.where, help=advice)
        return None
    keys = here.fit(ReadyKeys, node, "ready")
    pattern = keys.values.get("pattern")
    within = keys.get("within")
    return plan.Ready(pattern="" if isinstance(pattern, Expression) else str(pattern), within=within)

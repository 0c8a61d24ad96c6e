"""Errors across the wire: class, fields and the device's last words survive."""

from __future__ import annotations

from typing import Any

from flowrunner.errors import BenchError, ExpectationError, FlowrunnerError, PipelineError

FIELDS: dict[type[FlowrunnerError], tuple[str, ...]] = {
    BenchError: ("blame", "call", "said"),  # the driver's path is for the client to say: it knows the role
    ExpectationError: ("cause", "outcome", "blame", "said"),
    PipelineError: ("code",),
    FlowrunnerError: (),
}
BLAMES = ("device", "infra", "config", "internal", "lost", "peer")
CAUSES = ("unmet", "timeout", "idle")


def to_fault(error: Exception) -> dict[str, Any]:
    """`error` as plain data. One that is not ours shows its class and nothing of its text."""
    kind = next((kind for kind in FIELDS if isinstance(error, kind)), None)
    if not isinstance(error, FlowrunnerError) or kind is None:
        return {
            "class": "BenchError", "what": f"the exporter failed with {error.__class__.__name__}", "blame": "internal",
            "help": "the exporter's log says more",
        }  # fmt: skip
    fields = {name: getattr(error, name) for name in FIELDS[kind]}
    return {"class": kind.__name__, "what": error.what, "help": error.help, **fields}


def from_fault(fault: Any) -> FlowrunnerError:
    """The error that `to_fault` described; one that makes no sense is an error as well."""
    if not isinstance(fault, dict) or not isinstance(fault.get("what"), str):
        return BenchError("the exporter sent an error that says nothing", blame="internal")
    kind = next((kind for kind in FIELDS if kind.__name__ == fault.get("class")), FlowrunnerError)
    fields = {name: fault[name] for name in FIELDS[kind] if isinstance(fault.get(name), str)}
    if fields.get("blame", "device") not in BLAMES or fields.get("cause", "unmet") not in CAUSES:
        return BenchError(fault["what"], blame="internal")
    if kind is PipelineError:
        fields.setdefault("code", "refused")
    help = fault.get("help")
    return kind(fault["what"], help=help if isinstance(help, str) else None, **fields)

"""What a step did outside of drivers and consoles, taken from the journal of the recorded run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from flowrunner.engine.lines import Event
from flowrunner.errors import ExpectationError
from flowrunner.model import Duration, Size
from flowrunner.step import Context, Outputs, Step


def tell_again(event: Event, folder: Path, context: Context) -> None:
    """Tell `context` what the step told its own then; files are in the recorded run's `folder`."""
    match event["event"]:
        case "output":
            context.output(event["text"].encode("utf-8", "surrogateescape"), stream=event["stream"])
        case "log":
            context.log(event["message"], level=event["level"])
        case "measurement":
            context.measurement(_without(event))
        case "artifact":
            source = (folder / event["file"]).resolve()
            if source.is_file() and source.is_relative_to(folder.resolve()):
                shutil.copyfile(source, context.artifact(event["name"], title=event["title"]))
        case _:
            pass


def _without(event: Event) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("n", "t", "event", "path", "crc")}


def ended(step: Step, ending: Mapping[str, Any]) -> Outputs | None:
    """End as the step did then."""
    if ending["outcome"] != "passed":
        raise ExpectationError(
            ending.get("message") or "it did not pass then", cause=cast("Any", ending.get("cause") or "unmet"),
            outcome=ending["outcome"], blame=ending.get("blame"), said=ending.get("said"), help=ending.get("help"),
        )  # fmt: skip
    model = type(step).outputs_model()
    return model.model_validate(_typed(model, ending["outputs"])) if model else None


def _typed(model: type[Outputs], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """`outputs` of the journal, which has durations and sizes as numbers, as `model` takes them."""
    found = dict(outputs)
    for name, value in outputs.items():
        declared = model.model_fields[name].annotation if name in model.model_fields else None
        kind = next((k for k in (declared, *get_args(declared)) if k in (Duration, Size)), None)
        found[name] = kind(value) if kind is not None and value is not None else value
    return found

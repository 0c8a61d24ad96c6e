"""What a template sees: the inputs and the devices that its call gives it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flowrunner.engine.names import Frame, misfit, resolve
from flowrunner.engine.site import Site
from flowrunner.errors import PipelineError
from flowrunner.pipeline.accepts import given
from flowrunner.pipeline.convert import from_data
from flowrunner.pipeline.plan import Call


def called(site: Site, node: Call) -> Site:
    """The site of a template's steps.

    Raises:
        PipelineError: an input could not be evaluated, or does not fit.
    """
    devices = {role: site.frame.devices[mine] for role, mine in node.roles.items()}
    fixed = {"inputs": _inputs(node, site.frame), "run": site.frame.fixed.get("run", {})}
    held = {role: site.held[mine] for role, mine in node.roles.items()}
    return replace(site, frame=Frame(fixed, devices=devices), held=held, home=node.home)


def _inputs(node: Call, frame: Frame) -> Mapping[str, Any]:
    values = resolve(node.values, frame)
    try:
        model = node.accepts.model_validate(values)
    except ValidationError as error:
        raise misfit(error, node.template, node.places, node.where) from error
    found = given(model)
    for name, kind in node.paths.items():
        if name in values and found[name] is not None:
            found[name] = _path(node, name, kind, found[name])
    return found


def _path(node: Call, name: str, kind: Any, value: str) -> str:
    """A path of the caller's, made whole: relative ones start at the caller's folder."""
    try:
        return str(from_data(value, kind, Path(node.folder)))
    except ValueError as error:
        where = node.places.get((name,), node.where)
        raise PipelineError(f"{name} {error}", code="bad-value", where=where) from error

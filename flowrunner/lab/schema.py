"""Every JSON Schema of the project by its name: pipelines, actions, labs, exporters, drivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from pydantic import BaseModel

from flowrunner.bench.config import Exporter
from flowrunner.driver import Driver
from flowrunner.lab.config import LabFile
from flowrunner.pipeline.schema import action_schema, pipeline_schema
from flowrunner.pipeline.shapes import DRAFT, Schema, shape
from flowrunner.plugins import load, types


def schemas() -> Mapping[str, Callable[[], Schema]]:
    """What makes each schema, by its name below `schemas/`."""
    return {
        "pipeline": pipeline_schema,
        "lab": partial(model_schema, LabFile, "lab"),
        "exporter": partial(model_schema, Exporter, "exporter"),
        **{f"actions/{name}": partial(action_schema, name) for name in types("flowrunner.steps")},
        **{f"drivers/{name}": partial(_driver, name) for name in types("flowrunner.drivers")},
    }


def model_schema(model: type[BaseModel], title: str) -> Schema:
    """The schema of a file that one model describes."""
    whole, inner = shape(model)
    return {"$schema": DRAFT, "title": title, **whole, "definitions": dict(sorted(inner.items()))}


def _driver(name: str) -> Schema:
    driver = load("flowrunner.drivers", Driver, name)
    found = model_schema(driver.config_model(), name)
    return {**found, "description": (driver.__doc__ or "").partition("\n")[0]}

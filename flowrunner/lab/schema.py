"""Every JSON Schema of the project by its name: pipelines, actions, labs, exporters, bundles, drivers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial

from flowrunner.bench.config import Exporter
from flowrunner.bundle.manifest import Manifest
from flowrunner.driver import Driver
from flowrunner.lab.config import LabFile
from flowrunner.lab.entry_schema import complete_entries
from flowrunner.model import Model
from flowrunner.pipeline.editors import finished
from flowrunner.pipeline.schema import action_schema, pipeline_schema
from flowrunner.pipeline.shapes import Schema, shape, summary
from flowrunner.plugins import load, types


def schemas() -> Mapping[str, Callable[[], Schema]]:
    """What makes each schema, by its name below `schemas/`."""
    return {
        "pipeline": pipeline_schema,
        "lab": partial(_file, LabFile, "lab"),
        "exporter": partial(_file, Exporter, "exporter"),
        "bundle": partial(_file, Manifest, "bundle"),
        **{f"actions/{name}": partial(action_schema, name) for name in types("flowrunner.steps")},
        **{f"drivers/{name}": partial(_driver, name) for name in types("flowrunner.drivers")},
    }


def _file(model: type[Model], title: str) -> Schema:
    """The schema of a file that one model describes; it may have parts of benches in it."""
    whole, inner = shape(model)
    if "Entry" in inner:
        complete_entries(inner)
    return finished(title, {**whole, "definitions": inner})


def _driver(name: str) -> Schema:
    driver = load("flowrunner.drivers", Driver, name)
    whole, inner = shape(driver.config_model(), defaults=True)
    about = {"description": summary(driver), "markdownDescription": inspect.getdoc(driver) or ""}
    return finished(name, {**whole, **about, "definitions": inner})

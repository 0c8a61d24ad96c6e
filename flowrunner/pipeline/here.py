"""Where the compiler is in the pipeline, and what is known there."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace
from typing import Any

from flowrunner.errors import PipelineError, PipelineErrors, Span
from flowrunner.expressions import Expression
from flowrunner.model import Type
from flowrunner.pipeline.defaults import Defaults
from flowrunner.pipeline.devices import Roles
from flowrunner.pipeline.fit import Read
from flowrunner.pipeline.marks import Path
from flowrunner.pipeline.names import Local, Sight
from flowrunner.pipeline.problems import Problems
from flowrunner.source import Scalar

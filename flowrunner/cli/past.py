"""What a command needs of a run that was: where its pipeline lies, and the lab that it used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowrunner.lab.access import Access
from flowrunner.lab.discover import discover
from flowrunner.lab.static import StaticLab


def pipeline_of(facts: Mapping[str, Any]) -> Path:
    """Its file, from wherever we are now. `facts` is the first event of its journal."""
    return Path(facts["cwd"], facts["file"])


def lab_of(facts: Mapping[str, Any], lab: str | None, exporters: Sequence[str] | None, said: Access) -> StaticLab:
    """The lab that the user names now, else the one that the run had."""
    if not lab and not exporters:
        lab, exporters = facts.get("lab"), facts.get("exporters")
    return discover(pipeline_of(facts), lab=lab, exporters=exporters or (), environment=os.environ, access=said)

"""Opening a store."""

from __future__ import annotations

import atexit
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from flowrunner.errors import BenchError
from flowrunner_drivers._files.faults import reason

SETTLE = 0.05
"""Seconds that the threads of opendal have, at the end of the process, to let go of what they answered last.

They hold Python objects until then, and a thread that wants to release one while Python ends aborts the process.
"""


def operator(scheme: str, kwargs: Mapping[str, str | int | bool]) -> Any:
    """An operator of opendal that tries again what may succeed then.

    Raises:
        BenchError: there is no such service, or its keys do not fit.
    """
    import opendal  # takes 40 ms, and few pipelines touch files

    keys = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in kwargs.items()}
    try:
        found = opendal.AsyncOperator(scheme, **keys)
    except Exception as error:
        what = f"the store '{scheme}' cannot be opened: {reason(error)}"
        raise BenchError(what, blame="config", help="look at its scheme and kwargs") from error
    _let_go_at_exit()
    return found.layer(opendal.layers.RetryLayer(max_times=2, min_delay=0.2))


@cache
def _let_go_at_exit() -> None:
    atexit.register(time.sleep, SETTLE)

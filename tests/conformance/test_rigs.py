"""Nobody is left out of the suites."""

from flowrunner.plugins import BUILTIN, types
from tests.conformance.rigs import RIGS


def test_each_driver_has_a_rig() -> None:
    known = {
        name for name, module in types("flowrunner.drivers").items() if module.startswith(BUILTIN["flowrunner.drivers"])
    }
    assert known == {rig.type for rig in RIGS}

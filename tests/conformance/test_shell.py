"""What every shell of a bench does."""

from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.interfaces.shell import Shell
from tests.conformance.rigs import Rig, opened, over

pytestmark = pytest.mark.anyio


@over(Shell)
async def test_runs_its_methods_and_ends_with_the_status(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        shell = bench.client(Shell, path)
        assert set(rig.methods) <= set(await shell.get_methods())
        assert list(await shell.describe()) == await shell.get_methods()
        for name, printed in rig.methods.items():
            pieces = [piece async for piece in shell.call_method(name)]
            assert b"".join(piece.stdout for piece in pieces) == printed
            assert [piece.status for piece in pieces] == [None] * (len(pieces) - 1) + [0]


@over(Shell)
async def test_names_what_it_has_when_a_method_is_not_there(rig: Rig, path: str, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as bench:
        with pytest.raises(BenchError, match="there is no method 'no-such-method'") as error:
            async for _ in bench.client(Shell, path).call_method("no-such-method"):
                pass
    assert error.value.blame == "config"
    assert next(iter(rig.methods)) in (error.value.help or "")

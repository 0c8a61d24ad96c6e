"""The file of a lock."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.errors import BenchError
from flowrunner.pipeline.lock import NAME, Lock, LockedInclude, merged, read_lock

names = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20),
    st.sampled_from(["https://e.com/a.git@v1", "yes", "1", "~", "r.e.com:5000/a/b:1.4", "#x", "a: b", "*a", "-", "file.yaml"]),
)  # fmt: skip
digests = st.text("0123456789abcdef", min_size=4, max_size=64)
pins = st.from_regex("([0-9a-f]{40}|[0-9a-f]{64}|sha256:[0-9a-f]{64})", fullmatch=True)
includes = st.builds(LockedInclude, pin=pins, files=st.dictionaries(names, digests, max_size=3))
locks = st.builds(
    Lock, lock=st.just(1), pipelines=st.lists(names, unique=True, max_size=3).map(sorted),
    includes=st.dictionaries(names, includes, max_size=3), images=st.dictionaries(names, digests, max_size=3),
    plugins=st.dictionaries(names, digests, max_size=2),
)  # fmt: skip


@given(locks)
def test_what_is_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, lock: Lock) -> None:
    folder = tmp_path_factory.mktemp("lock")
    lock.write(folder)
    held = read_lock(folder)
    assert held
    assert held.lock == lock
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert list(lock.differences(held.lock)) == []


@given(locks, locks)
def test_locks_differ_exactly_when_a_line_is_told(one: Lock, other: Lock) -> None:
    assert (one == other) is (list(one.differences(other)) == [])


@given(st.lists(locks, max_size=3), st.randoms())
def test_the_order_in_which_pipelines_are_locked_does_not_matter(found: list[Lock], random: object) -> None:
    pins: dict[str, str] = {}
    same = [_agreeing(lock, pins) for lock in found]
    assert merged(["b", "a"], same) == merged(["a", "b"], same[::-1])


def _agreeing(lock: Lock, pins: dict[str, str]) -> Lock:
    """The lock with one meaning for each name, as one run of `flow lock` finds it."""

    def agreed(kind: str, found: dict[str, str]) -> dict[str, str]:
        return {name: pins.setdefault(f"{kind} {name}", value) for name, value in found.items()}

    includes = {
        name: LockedInclude(pin=pins.setdefault(name, one.pin), files=agreed(name, one.files))
        for name, one in lock.includes.items()
    }
    more = {"images": agreed("image", lock.images), "plugins": agreed("plugin", lock.plugins)}
    return lock.model_copy(update={"includes": includes, **more})


def test_a_lock_that_cannot_be_written_leaves_what_is_there(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(BenchError, match=r"flow\.lock could not be written: Is a directory"):
        Lock(lock=1).write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME], "nothing is left behind"

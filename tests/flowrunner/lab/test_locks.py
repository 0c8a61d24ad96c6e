import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.lab.flock import LockFile, lock_folder, read_note
from flowrunner.lab.locks import Blocked, Claim, Locks

pytestmark = pytest.mark.anyio


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(lock_folder({"FLOW_LOCK_DIR": str(tmp_path / "locks")}))


def ignore(_: Blocked) -> None:
    pass


def holder(locks: Locks, name: str) -> subprocess.Popen[bytes]:
    """Another process that holds the lock `name` until it is killed."""
    script = (
        "import sys, time; from pathlib import Path; from flowrunner.lab.flock import LockFile\n"
        f"lock = LockFile.take(Path({str(locks.folder)!r}) / '{name}.lock')\n"
        "lock.note({'owner': 'somebody else'}); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"held\n"
    return process


async def test_a_lock_is_free_at_once_when_its_holder_is_killed(locks: Locks) -> None:
    process = holder(locks, "desk")
    told: list[Blocked] = []
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(5):

            async def kill_when_told() -> None:
                while not told:
                    await anyio.sleep(0.005)
                os.kill(process.pid, signal.SIGKILL)
                process.wait()

            tasks.start_soon(kill_when_told)
            held = await locks.acquire([Claim("dut", ("desk",))], "me", told.append)
    assert told == [Blocked("dut", "somebody else", 1)]
    held["dut"][1].free()
    assert process.stdout
    process.stdout.close()


async def test_several_are_taken_all_or_none(locks: Locks) -> None:
    other = await locks.acquire([Claim("x", ("b",))], "other", ignore)
    with anyio.move_on_after(0.05):
        await locks.acquire([Claim("ap", ("a",)), Claim("sta", ("b",))], "me", ignore)
        pytest.fail("b is taken")
    free = LockFile.take(locks.folder / "a.lock")
    assert free, "a must not stay locked by one who could not have b"
    free.free()
    other["x"][1].free()
    assert list((locks.folder / "queue").iterdir()) == []


async def test_takes_a_free_one_of_several_and_gives_each_role_its_own(locks: Locks) -> None:
    other = await locks.acquire([Claim("x", ("a", "b", "c"))], "other", ignore)
    mine = await locks.acquire([Claim("ap", ("a", "b")), Claim("sta", ("a", "b", "c"))], "me", ignore)
    assert other["x"][0] == "a"
    assert (mine["ap"][0], mine["sta"][0]) == ("b", "c")
    for _, lock in (*other.values(), *mine.values()):
        lock.free()


async def test_the_queue_is_served_in_order(locks: Locks) -> None:
    first = await locks.acquire([Claim("dut", ("desk",))], "first", ignore)
    served: list[int] = []
    places: dict[int, int] = {}

    async def wait(number: int) -> None:
        def tell(blocked: Blocked) -> None:
            places.setdefault(number, blocked.position)

        held = await locks.acquire([Claim("dut", ("desk",))], f"waiter {number}", tell)
        served.append(number)
        held["dut"][1].free()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(wait, number)
                while number not in places:
                    await anyio.sleep(0.001)
            first["dut"][1].free()
    assert served == [0, 1, 2, 3, 4]
    assert places == {number: number + 1 for number in range(5)}


async def test_one_who_waits_for_much_is_not_starved_by_those_who_want_little(locks: Locks) -> None:
    held = await locks.acquire([Claim("dut", ("a",))], "long", ignore)
    order: list[str] = []
    waiting = {"both": anyio.Event(), "only b": anyio.Event()}

    async def take(name: str, *wanted: str) -> None:
        got = await locks.acquire([Claim(w, (w,)) for w in wanted], name, lambda _: waiting[name].set())
        order.append(name)
        await anyio.sleep(0)
        for _, lock in got.values():
            lock.free()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, "both", "a", "b")
            await waiting["both"].wait()
            tasks.start_soon(take, "only b", "b")
            await waiting["only b"].wait()
            assert order == []
            held["dut"][1].free()
    assert order == ["both", "only b"]


async def test_one_who_died_waiting_holds_nobody_up(locks: Locks) -> None:
    dead = LockFile.take(locks.folder / "queue" / f"{1:012}.ticket")
    assert dead
    dead.note({"owner": "dead", "wants": ["desk"]})
    os.close(dead._handle)  # as the kernel does when a process is killed: the file stays
    with anyio.fail_after(1):
        held = await locks.acquire([Claim("dut", ("desk",))], "me", ignore)
    held["dut"][1].free()


async def test_giving_up_leaves_the_queue(locks: Locks) -> None:
    held = await locks.acquire([Claim("dut", ("desk",))], "first", ignore)
    with anyio.move_on_after(0.05):
        await locks.acquire([Claim("dut", ("desk",))], "second", ignore)
    assert list((locks.folder / "queue").iterdir()) == []
    held["dut"][1].free()


async def test_shows_who_has_what_and_who_waits(locks: Locks) -> None:
    held = await locks.acquire([Claim("dut", ("desk",))], "first", ignore)
    held["dut"][1].note({"owner": "first", "exporter": "desk"})
    async with anyio.create_task_group() as tasks:
        waiting = anyio.Event()

        async def wait() -> None:
            await locks.acquire([Claim("dut", ("desk",))], "second", lambda _: waiting.set())

        tasks.start_soon(wait)
        await waiting.wait()
        leases = await locks.leases()
        tasks.cancel_scope.cancel()
    assert leases
    assert [(lease.facts["exporter"], lease.facts["owner"], lease.waiting) for lease in leases] == [
        ("desk", "first", ("second",))
    ]
    held["dut"][1].free()
    assert await locks.leases() == []
    assert read_note(locks.folder / "desk.lock") == {}


wants = st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)


@settings(max_examples=25, deadline=None)
@given(st.lists(wants, min_size=2, max_size=6))
def test_whoever_wants_what_all_are_served_and_none_shares(
    tmp_path_factory: pytest.TempPathFactory, all_wants: Sequence[Sequence[str]]
) -> None:
    folder = lock_folder({"FLOW_LOCK_DIR": str(tmp_path_factory.mktemp("locks"))})

    async def everybody() -> int:
        held: set[str] = set()
        served = 0

        async def run(number: int, wanted: Sequence[str]) -> None:
            nonlocal served
            got = await Locks(folder).acquire([Claim(w, (w,)) for w in wanted], str(number), ignore)
            assert not held & set(wanted)
            held.update(wanted)
            await anyio.sleep(0.001)
            held.difference_update(wanted)
            served += 1
            for _, lock in got.values():
                lock.free()

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for number, wanted in enumerate(all_wants):
                    tasks.start_soon(run, number, wanted)
        return served

    assert anyio.run(everybody) == len(all_wants)


def test_the_folder_can_be_chosen_and_is_open_to_all_who_share_the_machine(tmp_path: Path) -> None:
    folder = lock_folder({"FLOW_LOCK_DIR": str(tmp_path / "a" / "b")})
    assert folder == tmp_path / "a" / "b"
    assert (folder / "queue").stat().st_mode & 0o7777 == 0o1777
    lock = LockFile.take(folder / "x.lock")
    assert lock
    assert lock.path.stat().st_mode & 0o777 == 0o666
    lock.free()

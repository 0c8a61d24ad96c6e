import json
from collections.abc import Callable
from typing import Any, cast

import anyio
import pytest

from flowrunner.engine.lab import Lease, LeaseTimeout, Owner
from flowrunner.errors import BenchError, PipelineErrors, Span
from flowrunner.interface import Interface
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.video import Video
from flowrunner.lab.flock import lock_folder
from flowrunner.lab.locks import Locks
from flowrunner.lab.static import StaticLab
from flowrunner.model import Duration
from flowrunner.pipeline.plan import DeviceRequest

pytestmark = pytest.mark.anyio
Make = Callable[[str], StaticLab]

WHERE = Span("p.yaml", 3, 8, 3, 20)
STEP = Span("p.yaml", 9, 5, 9, 10)
ME = Owner(run="7f3a", pipeline="boot.yaml", user="alice", pid=12)

DESK = """\
exporters:
  desk:
    labels: {board: virt}
    export:
      power: {type: acme/switch, config: {name: desk}}
      machine: {type: acme/board}
"""
TWO = """\
exporters:
  one: {labels: {board: virt, size: small}, export: {power: {type: acme/switch, config: {name: one}}}}
  two: {labels: {board: virt, size: large}, export: {power: {type: acme/switch, config: {name: two}}}}
"""


def request(role: str = "dut", selector: str = "board=virt", *needs: type[Interface], **more: Any) -> DeviceRequest:
    return DeviceRequest(
        role=role, selector=selector, needs=tuple(("", (need,), STEP) for need in needs), where=WHERE, **more
    )


def lease(lab: StaticLab, *requests: DeviceRequest, **more: Any) -> Any:
    more = {
        "queue_timeout": None,
        "waiting": lambda *_: None,
        "opening": lambda _: None,
        "on_log": lambda _: None,
        "owner": ME,
        **more,
    }
    return lab.lease(requests, **more)


def problems(lab: StaticLab, *requests: DeviceRequest) -> list[tuple[str, str]]:
    with pytest.raises(PipelineErrors) as caught:
        lab.check(requests)
    return [(f"{e.where.short if e.where else '-'} {e.code} {e.what}", e.help or "") for e in caught.value.errors]


async def test_leases_opens_calls_and_closes(lab: Make, events: list[str]) -> None:
    async with lease(lab(DESK), request()) as leases:
        held = leases["dut"]
        assert (held.role, held.exporter, held.labels) == ("dut", "desk", {"board": "virt"})
        assert held.types["power"] == "acme/switch"
        assert held.types["machine.uart"] == "acme/board"
        await cast("Power", held.device.at("power").client).on()
    assert events == ["desk open", "desk on", "desk close"]


async def test_the_intent_is_told_when_all_is_held_and_nothing_is_open(lab: Make, events: list[str]) -> None:
    told: list[tuple[str, list[str]]] = []
    pair = (request("ap", "size=small"), request("sta", "size=large"))
    async with lease(lab(TWO), *pair, opening=lambda got: told.append((got.role, list(events)))):
        assert told == [("ap", []), ("sta", [])]
        assert events == ["one open", "two open"]
    assert events[2:] == ["two close", "one close"]


async def test_an_exporter_is_free_again_after_each_kind_of_end(lab: Make, events: list[str]) -> None:
    desk = lab(DESK)
    with pytest.raises(ValueError, match="mine"):
        async with lease(desk, request()):
            raise ValueError("mine")
    with anyio.move_on_after(0.02):
        async with lease(desk, request()):
            await anyio.sleep_forever()
    broken = lab(DESK.replace("name: desk", "name: desk, breaks: close"))
    with pytest.raises(BenchError, match="no close today"):
        async with lease(broken, request()):
            pass
    broken = lab(DESK.replace("name: desk", "name: desk, breaks: open"))
    with pytest.raises(BenchError, match="no open today"):
        async with lease(broken, request()):
            pytest.fail("it did open")
    async with lease(desk, request(), queue_timeout=0.1):
        pass


async def test_a_second_run_waits_its_turn_and_is_told_for_whom(lab: Make, events: list[str]) -> None:
    desk = lab(DESK)
    told: list[tuple[str, str, int]] = []
    told_once = anyio.Event()

    def waiting(role: str, owner: str, position: int) -> None:
        told.append((role, owner, position))
        told_once.set()

    async def second() -> None:
        async with lease(desk, request(), waiting=waiting):
            events.append("second")

    async with anyio.create_task_group() as tasks, lease(desk, request()):
        tasks.start_soon(second)
        await told_once.wait()
        events.append("first")
    assert told == [("dut", "alice, run 7f3a of boot.yaml (pid 12)", 1)]
    assert events == ["desk open", "first", "desk close", "desk open", "second", "desk close"]


async def test_a_queue_that_takes_too_long_calls_no_device(lab: Make, events: list[str]) -> None:
    desk = lab(DESK)
    async with lease(desk, request()):
        before = list(events)
        with pytest.raises(LeaseTimeout, match=r"no lease for 'dut' within 50ms: in use by alice, run 7f3a") as caught:
            async with lease(desk, request(), queue_timeout=0.05):
                pytest.fail("it was leased twice")
        assert caught.value.blame == "infra"
        assert events == before


async def test_one_bench_in_two_labs_is_one_bench(lab: Make, write: Any, events: list[str]) -> None:
    write("rpi.yaml", "export: {power: {type: acme/switch, config: {name: rpi}}}")
    first = lab("exporters: {a: {file: rpi.yaml}}")
    second = lab("exporters: {b: {file: ./rpi.yaml}}")
    async with lease(first, request(selector="")):
        with pytest.raises(LeaseTimeout):
            async with lease(second, request(selector=""), queue_timeout=0.03):
                pytest.fail("it was leased twice")


async def test_takes_another_exporter_when_the_first_is_in_use(lab: Make, events: list[str]) -> None:
    two = lab(TWO)
    async with lease(two, request()) as first, lease(two, request()) as second:
        assert (first["dut"].exporter, second["dut"].exporter) == ("one", "two")


async def test_a_lease_that_expired_is_lost_and_refuses_calls_until_it_is_drained(lab: Make, events: list[str]) -> None:
    async with lease(lab(DESK), request(duration=Duration(0.03))) as leases:
        held: Lease = leases["dut"]
        power = cast("Power", held.device.at("power").client)
        await power.on()
        with anyio.fail_after(1):
            await held.lost.wait()
        assert held.expires_at is not None
        assert anyio.current_time() >= held.expires_at
        with pytest.raises(BenchError, match="the lease of 'desk' expired after 30ms") as caught:
            await power.on()
        assert caught.value.blame == "lost"
        held.draining = True
        await power.off()
    with pytest.raises(BenchError, match="the lease of 'desk' has ended"):
        await power.off()
    assert events.count("desk on") == 1


async def test_a_lease_can_be_extended_while_it_is_held(lab: Make, events: list[str]) -> None:
    desk = lab(DESK)
    async with lease(desk, request(duration=Duration(0.05))) as leases:
        held = leases["dut"]
        desk.extend(held, 60)
        assert held.expires_at == pytest.approx(anyio.current_time() + 60, abs=1)
        await anyio.sleep(0.06)
        assert not held.lost.is_set()
    with pytest.raises(BenchError, match="is held no more"):
        desk.extend(held, 60)


async def test_others_can_see_who_has_it(lab: Make, events: list[str], tmp_path: Any) -> None:
    async with lease(lab(DESK), request()) as leases:
        found = await Locks(lock_folder({"FLOW_LOCK_DIR": str(tmp_path / "locks")})).leases()
        assert found
        facts = dict(found[0].facts)
        assert facts.pop("since") < facts.pop("expires")
        assert facts.pop("host")
        assert json.loads(json.dumps(facts)) == {
            "exporter": "desk", "identity": f"{tmp_path}/lab.yaml#desk", "role": "dut", "lease": leases["dut"].name,
            "owner": str(ME), "run": "7f3a", "pipeline": "boot.yaml", "user": "alice", "pid": 12,
            "folder": "",
        }  # fmt: skip


def test_a_request_that_fits_passes(lab: Make) -> None:
    lab(DESK).check([request("dut", "board=virt,!reserved", Power, Video, requires=("power", "console"))])
    lab(DESK).check([request("dut", "flowrunner/exporter=desk")])
    lab(DESK).check([])


def test_no_exporter_with_such_labels(lab: Make) -> None:
    [(what, advice)] = problems(lab(TWO), request(selector="board=virtt"))
    assert what == "3:8 no-exporter no exporter matches 'board=virtt'"
    assert advice == "did you mean 'board=virt'?; there is one (board=virt,size=small), two (board=virt,size=large)"


def test_the_only_candidate_lacks_what_a_step_needs(lab: Make) -> None:
    found = problems(lab(TWO), request("dut", "size=small", Video, Console, requires=("storage",)))
    assert found == [
        ("3:8 no-interface 'dut' requires storage, exporter 'one' has none", "it offers power"),
        ("9:5 no-interface 'dut' offers no video", "exporter 'one': it offers power"),
        ("9:5 no-interface 'dut' offers no console", "exporter 'one': it offers power"),
    ]


def test_all_candidates_lack_something(lab: Make) -> None:
    [(what, advice)] = problems(lab(TWO), request("dut", "board=virt", Video))
    assert what == "3:8 no-exporter no exporter with board=virt offers what 'dut' needs"
    assert advice == "one: 'dut' offers no video; two: 'dut' offers no video"


def test_more_roles_than_exporters(lab: Make) -> None:
    [(what, advice)] = problems(lab(DESK), request("ap"), request("sta"))
    assert what == "3:8 no-exporter 2 roles cannot be filled from 1 exporter"
    assert advice == "each role needs one of its own; these fit: ap: desk; sta: desk"


def test_a_selector_that_is_none(lab: Make) -> None:
    [(what, _)] = problems(lab(DESK), request(), request("b", "a=b=c"))
    assert what.startswith("3:8 bad-selector the selector 'a=b=c' needs a comma or the end at character 4, got '=c'")


def test_a_broken_exporter_matters_only_to_those_who_select_it(lab: Make, write: Any) -> None:
    write("bad.yaml", "export: {power: {type: acme/swich}}")
    both = lab(DESK + "  bad: {file: bad.yaml, labels: {board: other}}\n")
    both.check([request()])
    [(what, _)] = problems(both, request(selector="board=other"))
    assert what == "1:24 unknown-type there is no driver 'acme/swich'"


def test_labels_come_from_the_exporters_file_and_the_labs_win(lab: Make, write: Any) -> None:
    write("e.yaml", "metadata: {labels: {board: a, rev: b}}\nexport: {m: {type: acme/board}}")
    both = lab("exporters: {e: {file: e.yaml, labels: {board: z}}}")
    both.check([request(selector="board=z,rev=b")])
    problems(both, request(selector="board=a"))


def test_without_a_lab_it_says_how_to_get_one(lab: Make) -> None:
    [(what, advice)] = problems(lab("exporters: {}"), request())
    assert what == "3:8 no-lab there is no lab to take 'dut' from"
    assert advice.startswith("write a lab.yaml beside the pipeline")

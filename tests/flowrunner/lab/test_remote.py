"""Exporters that listen somewhere, as the lab has them: what the wire does is tested elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from flowrunner.engine.lab import DeviceLog, Lease, LeaseTimeout
from flowrunner.errors import BenchError, PipelineErrors
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power
from flowrunner.lab.discover import discover
from flowrunner.lab.far import UNGUARDED
from flowrunner.lab.flock import lock_folder
from flowrunner.lab.locks import Locks
from flowrunner.lab.served import RemoteExporter, identity
from flowrunner.lab.static import StaticLab
from flowrunner.model import Duration
from flowrunner.remote.client.remote import LogLine
from flowrunner.report.plain import PlainLines
from tests.flowrunner.lab.test_static import lease, problems, request
from tests.support.exporters import running
from tests.support.virtual_remote import VirtualExporter

pytestmark = pytest.mark.anyio

SWITCH = "export: {power: {type: acme/switch, config: {name: %s}}, other: {type: acme/switch, config: {name: other}}}"


class Site:
    """Virtual exporters, and labs that know them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exporters: dict[str, VirtualExporter] = {}

    def serve(self, name: str, *, id: str = "", **more: Any) -> VirtualExporter:
        path = self.folder / f"{name}.sock"
        exporter = VirtualExporter(path, name, id or name, SWITCH % name, **more)
        self.exporters[identity(exporter.endpoint)] = exporter
        return exporter

    def lab(self, text: str, **environment: str) -> StaticLab:
        (self.folder / "lab.yaml").write_text(text.replace("@", f"unix:{self.folder}/"))
        locks = {"FLOW_LOCK_DIR": str(self.folder / "locks")}
        return discover(self.folder / "p.yaml", environment={**locks, **environment})

    def pinned(self, *exporters: str, **environment: str) -> StaticLab:
        named = [text.replace("@", f"unix:{self.folder}/") for text in exporters]
        locks = {"FLOW_LOCK_DIR": str(self.folder / "locks")}
        return discover(self.folder / "p.yaml", exporters=named, environment={**locks, **environment})


@pytest.fixture
def site(tmp_path: Path, events: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose exporters are connected without a wire."""
    found = Site(tmp_path)
    monkeypatch.setattr(RemoteExporter, "connected", lambda self: found.exporters[identity(self.endpoint)].connected())
    yield found
    for exporter in found.exporters.values():
        assert exporter.log.count("connected") == exporter.log.count("disconnected")
        assert exporter.holder is None


RACK = "exporters: {rack: {endpoint: '@far.sock', labels: {board: rpi4}, grace: 7s}}"


async def test_leases_from_the_exporter_behind_the_lock_of_this_machine(site: Site, tmp_path: Path) -> None:
    far = site.serve("far")
    lab = site.lab(RACK)
    told: list[Lease] = []
    wanted = request(selector="board=rpi4", safe_state={"power": "off", "other": "on"}, duration=Duration(60))
    async with lease(lab, wanted, opening=told.append) as leases:
        held = leases["dut"]
        assert told == [held]
        assert (held.role, held.exporter, held.name) == ("dut", "rack", "lease of far")
        assert held.labels == {"made": "here", "board": "rpi4"}, "what the lab says wins"
        assert held.types["power"] == "acme/switch"
        assert held.warning is None
        await cast("Power", held.device.at("power").client).on()
        [facts] = [held.facts for held in await Locks(lock_folder({"FLOW_LOCK_DIR": f"{tmp_path}/locks"})).leases()]
        assert (facts["exporter"], facts["endpoint"], facts["lease"]) == ("rack", str(far.endpoint), "lease of far")
    [claim] = far.claims
    assert (claim.role, claim.grace, claim.duration, claim.join) == ("dut", 7, 60, None)
    assert claim.safe_state == [("power", "off"), ("other", "on")]
    assert claim.owner.startswith("alice, run 7f3a of boot.yaml (pid 12) on ")
    assert far.log == ["connected", "disconnected", "connected", "leased", "given back", "disconnected"]


async def test_a_role_that_keeps_its_state_has_no_safe_state_there(site: Site) -> None:
    far = site.serve("far")
    async with lease(site.lab(RACK), request(selector="", safe_state="keep")):
        pass
    assert far.claims[0].safe_state == []


async def test_one_that_is_named_goes_by_the_name_that_it_says_itself(site: Site) -> None:
    site.serve("far")
    async with lease(site.pinned("@far.sock"), request(selector="whatever=that")) as leases:
        assert (leases["dut"].exporter, leases["dut"].labels) == ("far", {"made": "here", "board": "far"})


async def test_a_foreign_exporter_guards_nothing_and_the_lease_says_so(site: Site) -> None:
    site.serve("far", guarded=False)
    async with lease(site.lab(RACK), request(selector="")) as leases:
        assert leases["dut"].warning == UNGUARDED


async def test_a_run_says_once_that_nothing_is_guarded(site: Site, tmp_path: Path) -> None:
    site.serve("far", guarded=False)
    (tmp_path / "p.yaml").write_text(
        "flow: 1\nname: p\ndevices: {dut: {selector: ''}}\nsteps:\n  - driver: dut.power.on\n"
    )
    done = await running(tmp_path / "p.yaml", tmp_path, exporters=[f"unix:{tmp_path}/far.sock"])
    assert done.outcome == "passed"
    [warning] = done.of("lease.warning")
    assert (warning["role"], warning["exporter"], warning["message"]) == ("dut", "far", UNGUARDED)
    kinds = [event["event"] for event in done.events]
    assert kinds.index("lease.acquired") < kinds.index("lease.warning") < kinds.index("step.started")
    told: list[str] = []
    PlainLines(told.append)(warning)
    assert told[0].split(maxsplit=1)[1] == f"warning  dut: {UNGUARDED}\n"


async def test_waiting_at_the_exporter_is_told_and_bounded_by_the_queue_timeout(site: Site, events: list[str]) -> None:
    far = site.serve("far")
    far.holder = "bob, elsewhere"
    told: list[tuple[str, str, int]] = []
    with pytest.raises(LeaseTimeout, match=r"no lease for 'dut' within 500ms: in use by bob, elsewhere"):
        async with lease(site.lab(RACK), request(selector=""), queue_timeout=0.5, waiting=lambda *a: told.append(a)):
            pytest.fail("it was leased twice")
    assert told == [("dut", "bob, elsewhere", 1)]
    assert events == []
    far.holder = None
    async with lease(site.lab(RACK), request(selector=""), queue_timeout=0.5):
        await anyio.sleep(0.6)  # the queue is over: its time means nothing any more


async def test_several_are_taken_in_the_order_of_their_own_names_whatever_they_are_called_here(site: Site) -> None:
    order: list[str] = []
    one, two = site.serve("one", id="2"), site.serve("two", id="1")
    for exporter in (one, two):
        exporter.claims = cast("Any", Noting(order, exporter.name))
    lab = site.pinned("a=@one.sock", "b=@two.sock")
    async with lease(lab, request("a"), request("b")) as leases:
        assert list(leases) == ["a", "b"]
    assert order == ["two", "one"]


async def test_one_exporter_by_two_addresses_is_one_exporter(site: Site) -> None:
    one = site.serve("one", id="7")
    site.serve("two", id="7")
    with pytest.raises(BenchError, match="'a' and 'b' would get the same exporter, by two addresses") as caught:
        async with lease(site.pinned("a=@one.sock", "b=@two.sock"), request("a"), request("b")):
            pytest.fail("it would have waited for itself")
    assert caught.value.blame == "config"
    assert one.claims == []


class Noting(list[Any]):
    """A list of claims that notes when one comes."""

    def __init__(self, order: list[str], name: str) -> None:
        super().__init__()
        self.order, self.name = order, name

    def append(self, claim: Any) -> None:
        self.order.append(self.name)
        super().append(claim)


async def test_when_one_cannot_be_had_the_others_are_given_back(site: Site) -> None:
    one, two = site.serve("one"), site.serve("two")
    two.holder = "bob"
    with pytest.raises(LeaseTimeout, match="no lease for 'b'"):
        async with lease(site.pinned("a=@one.sock", "b=@two.sock"), request("a"), request("b"), queue_timeout=0.5):
            pytest.fail("only one was free")
    assert one.log[-3:] == ["leased", "given back", "disconnected"]
    two.holder = None


async def test_two_runs_of_this_machine_that_want_the_same_two_both_come_through(site: Site) -> None:
    site.serve("one")
    site.serve("two")
    done: list[str] = []

    async def run(name: str, *roles: str) -> None:
        lab = site.pinned("a=@one.sock", "b=@two.sock")
        async with lease(lab, *map(request, roles), queue_timeout=5):
            await anyio.sleep(0.01)
        done.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, "forth", "a", "b")
        tasks.start_soon(run, "back", "b", "a")
    assert sorted(done) == ["back", "forth"]


async def test_what_the_exporter_ends_is_lost(site: Site) -> None:
    far = site.serve("far")
    async with lease(site.lab(RACK), request(selector="")) as leases:
        held = leases["dut"]
        far.leases[0].lose("the exporter was stopped")
        with anyio.fail_after(1):
            await held.lost.wait()
        assert held.reason == "the exporter was stopped"
        with pytest.raises(BenchError, match="the exporter was stopped"):
            await cast("Power", held.device.at("power").client).on()
        held.drain()
        await cast("Power", held.device.at("power").client).off()


async def test_a_lease_that_expired_refuses_calls_until_it_is_drained(site: Site, events: list[str]) -> None:
    site.serve("far")
    async with lease(site.lab(RACK), request(selector="", duration=Duration(0.03))) as leases:
        held = leases["dut"]
        power = cast("Power", held.device.at("power").client)
        with anyio.fail_after(1):
            await held.lost.wait()
        with pytest.raises(BenchError, match="the lease of 'rack' expired after 30ms") as caught:
            await power.on()
        assert caught.value.blame == "lost"
        held.drain()
        await power.off()
    assert "far on" not in events


async def test_the_exporter_is_told_of_an_extension(site: Site) -> None:
    far = site.serve("far")
    lab = site.lab(RACK)
    async with lease(lab, request(selector="", duration=Duration(0.05))) as leases:
        lab.extend(leases["dut"], 60)
        await anyio.sleep(0.06)
        assert not leases["dut"].lost.is_set()
    assert "extended 60" in far.log


async def test_its_log_lines_come_with_the_path_of_the_role(site: Site) -> None:
    far = site.serve("far")
    lines: list[DeviceLog] = []
    async with lease(site.lab(RACK), request(selector=""), on_log=lines.append):
        on_log = far.claims[0].on_log
        assert on_log
        on_log(LogLine(message="hot", severity="WARNING", source="driver", driver="power", operation="on"))
        on_log(LogLine(message="bye", severity="INFO"))
    on_log(LogLine(message="too late"))
    assert lines == [
        DeviceLog(role="dut", level="warning", message="hot", driver="dut.power", call="on"),
        DeviceLog(role="dut", level="info", message="bye", source="system"),
    ]


TWO = """
exporters:
  one: {endpoint: "@one.sock", labels: {board: rpi4}}
  two: {endpoint: "@two.sock", labels: {board: rpi4}}
  apart: {endpoint: "@apart.sock", labels: {board: apart}}
"""


async def test_only_those_that_may_fit_are_asked_and_one_that_answers_is_enough(site: Site) -> None:
    one, two, apart = site.serve("one", down=True), site.serve("two"), site.serve("apart")
    lab = site.lab(TWO)
    wanted = [request(selector="board=rpi4,made=here")]
    await lab.look(wanted)
    lab.check(wanted)
    assert (one.log, two.log, apart.log) == ([], ["connected", "disconnected"], [])
    async with lease(lab, *wanted) as leases:
        assert leases["dut"].exporter == "two"


async def test_the_one_that_is_free_is_taken_whoever_has_the_others(site: Site) -> None:
    one, two = site.serve("one"), site.serve("two")
    one.holder = "bob, on another machine"
    async with lease(site.lab(TWO), request(selector="board=rpi4"), queue_timeout=0.5) as leases:
        assert leases["dut"].exporter == "two"
        assert one.log[-1] == "disconnected", "its queue was left"
    one.holder = None
    assert two.log[-1] == "disconnected"


async def test_when_none_is_free_the_best_is_waited_for(site: Site) -> None:
    one, two = site.serve("one"), site.serve("two")
    one.holder = two.holder = "bob"
    told: list[tuple[str, str, int]] = []

    def waiting(*what: Any) -> None:
        told.append(what)
        one.holder = None
        one.move()

    async with lease(site.lab(TWO), request(selector="board=rpi4"), waiting=waiting) as leases:
        assert leases["dut"].exporter == "one"
    assert told == [("dut", "bob", 1)]
    two.holder = None


async def test_one_that_went_away_is_not_waited_for_when_another_fits(site: Site) -> None:
    one, two = site.serve("one"), site.serve("two")
    lab = site.lab(TWO)
    await lab.look([request(selector="board=rpi4")])
    one.down = True
    async with lease(lab, request(selector="board=rpi4")) as leases:
        assert leases["dut"].exporter == "two"
    two.down = True
    with pytest.raises(BenchError, match="does not answer"):
        async with lease(lab, request(selector="board=rpi4")):
            pytest.fail("nobody is there")


async def test_none_that_answers_is_the_labs_fault(site: Site) -> None:
    site.serve("one", down=True)
    site.serve("two", down=True)
    lab = site.lab(TWO)
    wanted = [request(selector="board=rpi4,made=here")]
    await lab.look(wanted)
    with pytest.raises(BenchError, match=r"one\.sock does not answer; two did not answer either") as caught:
        lab.check(wanted)
    assert caught.value.blame == "infra"


async def test_one_that_came_back_is_asked_again(site: Site) -> None:
    far = site.serve("far", down=True)
    lab = site.lab(RACK)
    with pytest.raises(BenchError, match="does not answer"):
        async with lease(lab, request(selector="")):
            pytest.fail("nobody is there")
    far.down = False
    async with lease(lab, request(selector="")):
        pass


async def test_what_it_lacks_is_said_before_anything_is_leased(site: Site) -> None:
    far = site.serve("far")
    lab = site.lab(RACK)
    wanted = request("dut", "board=rpi4", Console)
    await lab.look([wanted])
    assert problems(lab, wanted) == [("9:5 no-interface 'dut' offers no console", "exporter 'rack': it offers power")]
    assert problems(lab, request(selector="made=elsewhere"))[0][1].endswith("there is rack (board=rpi4,made=here)")
    with pytest.raises(PipelineErrors, match="offers no console"):
        async with lease(lab, wanted):
            pytest.fail("it lacks a console")
    assert far.claims == []


async def test_a_lease_is_joined_without_its_lock(site: Site) -> None:
    far = site.serve("far")
    shell = {"JUMPSTARTER_HOST": str(far.path), "FLOW_LEASE": "7f3a"}
    async with lease(site.lab(RACK), request(selector="")):
        holder, far.holder = far.holder, None  # who joins does not queue
        async with lease(site.pinned(**shell), request(selector=""), queue_timeout=1):
            pass
        far.holder = holder
    assert [claim.join for claim in far.claims] == [None, "7f3a"]

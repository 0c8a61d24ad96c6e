from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.errors import PipelineErrors
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.machine import Machine
from flowrunner.interfaces.power import Power
from flowrunner.interfaces.video import Video

pytestmark = pytest.mark.anyio
Make = Callable[[str], Bench]


def problems(make: Make, text: str) -> list[str]:
    """What is wrong with an exporter: line:column code message."""
    with pytest.raises(PipelineErrors) as caught:
        make(text)
    return [f"{e.where.short if e.where else '-'} {e.code} {e.what}" for e in caught.value.errors]


def test_makes_a_tree_of_drivers_groups_and_what_drivers_make_themselves(bench: Make) -> None:
    tree = bench("""\
        export:
          board:
            children:
              supply: {type: acme/switch, config: {name: a}}
          machine: {type: acme/board}
        """).device()
    assert {path: (node.type, [i.name for i in node.interfaces]) for path, node in tree.walk()} == {
        "": ("composite", []),
        "board": ("composite", []),
        "board.supply": ("acme/switch", ["power"]),
        "machine": ("acme/board", ["machine", "video"]),
        "machine.uart": ("acme/board", ["console"]),
    }


async def test_a_client_is_all_that_its_driver_is(bench: Make) -> None:
    client = bench("export: {machine: {type: acme/board}}").device().at("machine").client
    assert isinstance(client, Machine)
    assert isinstance(client, Video)
    assert await client.state() == "running"
    assert await client.snapshot() == b"png"


def test_reads_jumpstarters_shape_and_class_paths(bench: Make) -> None:
    tree = bench("""\
        apiVersion: jumpstarter.dev/v1alpha1
        kind: ExporterConfig
        metadata: {namespace: lab, name: rpi, labels: {board: rpi4}}
        endpoint: grpc.example.com:443
        tls: {ca: "", insecure: true}
        token: xyz
        grpcOptions: {grpc.keepalive_time_ms: 20000}
        description: a board
        motd: be kind
        hooks:
          beforeLease: {script: "echo", timeout: 5, onFailure: endLease}
        failureDetection: {maxRapidFailures: 3}
        exitOnLeaseEnd: true
        export:
          power:
            type: jumpstarter_driver_acme.driver.Switch
            config: {name: a}
            description: the plug
            methods_description: {on: switches it on}
          group: {type: jumpstarter_driver_composite.driver.Composite, children: {p: {ref: power}}}
          again: {type: jumpstarter_driver_composite.driver.Proxy, config: {ref: group.p}}
        """).device()
    assert tree.at("power").type == "acme/switch"
    assert tree.at("again").client is tree.at("power").client


def test_a_ref_finds_later_siblings_grandchildren_other_refs_and_what_drivers_make(bench: Make) -> None:
    tree = bench("""\
        export:
          first: {ref: last}
          uart: {ref: deep.machine.uart}
          whole: {ref: deep}
          through: {ref: whole.machine.uart}
          twice: {ref: first}
          deep:
            children:
              machine: {type: acme/board}
              sibling: {ref: deep.machine}
          last: {type: acme/switch, config: {name: a}}
        """).device()
    assert tree.find(Power, path="first") == "first"
    assert tree.at("first").client is tree.at("last").client is tree.at("twice").client
    assert tree.at("uart").client is tree.at("through").client is tree.at("whole.sibling.uart").client
    assert isinstance(tree.at("uart").client, Console)
    assert tree.at("whole.machine").name == "machine"


def test_a_driver_may_have_a_child_that_stands_elsewhere(bench: Make) -> None:
    made = bench("""\
        export:
          machine: {type: acme/board, children: {supply: {ref: power}}}
          power: {type: acme/switch, config: {name: a}}
        """)
    assert made.root.children["machine"].driver.children["supply"] is made.root.children["power"].driver


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("export: {a: {ref: a}}", ["1:19 circular-ref ref 'a' leads back to itself"]),
        ("export: {a: {ref: b}, b: {ref: a}}", ["1:19 circular-ref ref 'b' leads back to itself",
                                               "1:32 circular-ref ref 'a' leads back to itself"]),
        ("export: {a: {children: {b: {ref: a}}}}", ["1:34 circular-ref ref 'a' leads back to itself"]),
        ("export: {a: {ref: a.b}}", ["1:19 circular-ref ref 'a.b' leads back to itself"]),
        ("export: {a: {type: acme/board, children: {b: {ref: a.uart}}}}",
         ["1:52 circular-ref ref 'a.uart' leads back to itself"]),
        ("export: {a: {ref: nothing}}", ["1:19 unknown-ref ref 'nothing' leads nowhere"]),
        ("export: {a: {ref: m.serial}, m: {type: acme/board}}",
         ["1:19 unknown-ref ref 'm.serial' leads nowhere: 'm' has no part 'serial'"]),
        ("export: {a: {ref: b, config: {}}, b: {type: acme/board}}",
         ["1:30 bad-value ref and config exclude each other"]),
        ("export: {a: {type: proxy, config: {reff: b}}}", ["1:13 bad-value a proxy's config is one ref"]),
        ("export: {a: {}}", ["1:13 missing-key 'a' has no type"]),
        ("export: {a: {config: {x: 1}}}", ["1:13 missing-key 'a' has no type"]),
        ("export: {a.b: {type: acme/board}}", ["1:10 bad-name 'a.b' cannot name a part"]),
        ("export: {a: {type: acme/swich}}", ["1:20 unknown-type there is no driver 'acme/swich'"]),
        ("export: {a: {type: some_driver.driver.Widget}}",
         ["1:20 unknown-type no driver stands in for the class 'some_driver.driver.Widget'"]),
        ("export: {a: {type: acme/needy}}",
         ["1:20 unknown-type acme_drivers.needy needs the package 'a_library_that_nobody_has'"]),
        ("export: {a: {type: acme/switch, config: {nam: x}}}",
         ["1:41 missing-key 'name' is missing", "1:42 unknown-key unknown key 'nam'"]),
        ("export: {a: {type: acme/switch}}", ["1:13 missing-key 'name' is missing"]),
        ("export: {a: {type: acme/board, config: {memory: lots}}}",
         ["1:49 wrong-type memory needs a whole number, got the text 'lots'"]),
        ("export: {a: {type: acme/board, config: {memory: 4096}}}",
         ["1:40 bad-value a board has at most 1000 MiB, not 4096"]),
        ("export: {a: {type: composite, config: {x: 1}}}", ["1:40 unknown-key unknown key 'x'"]),
        ("exports: {}", ["1:1 missing-key 'export' is missing", "1:1 unknown-key unknown key 'exports'"]),
        ("export: {a: {typ: x}}", ["1:14 unknown-key unknown key 'typ'"]),
        ("metadata: {name: 5}\nexport: {a: {type: acme/board}}", ["1:18 wrong-type name needs text, got the number 5"]),
        ("kind: Ex\nexport: {a: {type: acme/board}}", ["1:7 bad-value kind must be ExporterConfig; got the text 'Ex'"]),
        ("- a", ["1:1 wrong-type an exporter's file is a mapping"]),
        ("", ["1:1 wrong-type an exporter's file is a mapping"]),
    ],
)  # fmt: skip
def test_says_what_is_wrong_and_where(bench: Make, text: str, errors: list[str]) -> None:
    assert problems(bench, text) == errors


def test_says_all_at_once(bench: Make) -> None:
    found = problems(bench, """\
        export:
          a: {type: acme/swich}
          b:
            children:
              c: {ref: a}
              d: {ref: nowhere}
          e: {type: acme/switch, config: {name: 1}, children: {f: {type: nothing.at.all}}}
        """)  # fmt: skip
    assert [line.split()[:2] for line in found] == [
        ["2:13", "unknown-type"], ["6:16", "unknown-ref"], ["7:41", "wrong-type"], ["7:66", "unknown-type"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("export: {a: {type: acme/swich}}", "did you mean 'acme/switch'?"),
        ("export: {a: {ref: powe}, power: {type: acme/board}}", "did you mean 'power'?"),
        ("export: {a: {typ: x}}", "did you mean 'type'?"),
        ("exports: {a: {type: acme/board}}", "did you mean 'export'"),
        ("export: {a: {type: acme/switch, config: {nam: x}}}", "did you mean 'name'?"),
    ],
)
def test_suggests_what_was_meant(bench: Make, text: str, advice: str) -> None:
    with pytest.raises(PipelineErrors) as caught:
        bench(text)
    assert any(advice in (error.help or "") for error in caught.value.errors)


async def test_relative_paths_of_a_config_start_in_the_folder_of_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "exporters"
    folder.mkdir()
    Image.new("RGB", (2, 2)).save(folder / "shot.png")
    file = folder / "e.yaml"
    file.write_text("export:\n  screen: {type: video.file, config: {path: shot.png}}\n")
    made = Bench(load_exporter(file), "dut")
    device = made.device()
    async with made.opened():
        screen = device.at("screen").client
        assert isinstance(screen, Video)
        assert await screen.snapshot() == (folder / "shot.png").read_bytes()

"""What a manifest may say, and what is said of one that is wrong."""

from pathlib import Path

import jsonschema
import pytest

from flowrunner.bundle.bundle import Bundle
from flowrunner.bundle.manifest import Loaded, load_manifest
from flowrunner.errors import BenchError, PipelineErrors
from flowrunner.lab.schema import schemas
from flowrunner.source import load, plain

HEAD = "apiVersion: jumpstarter.dev/v1alpha1\nkind: FlashBundleManifest\nmetadata: {name: board}\nspec:\n"

TI = """
  manufacturer: Texas Instruments
  link: "https://www.ti.com/tool/J784S4XEVM"
  bootcmd: booti 0x82000000 - 0x84000000
  shelltype: busybox
  login: {login_prompt: "login:", username: root, prompt: "#"}
  default_target: usd
  targets:
    usd: /sys/class/block#4fb0000
    emmc: /sys/class/block#4f80000
  kernel: {file: data/Image, address: 0x82000000}
  initram: {file: data/initramfs.cpio, address: "0x83000000"}
  dtb:
    default: k3-j784s4-evm
    address: 0x84000000
    variants:
      k3-j784s4-evm: data/evm.dtb
      alternate: {bootcmd: bootm, file: data/other.dtb}
      quiet: {bootcmd: booti quiet}
  preflash_commands: ["mount -t tmpfs none /tmp"]
"""


def written(folder: Path, spec: str) -> Path:
    """A manifest with its files."""
    for name in ("data/Image", "data/initramfs.cpio", "data/evm.dtb", "data/other.dtb"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    (folder / "manifest.yaml").write_text(HEAD + spec)
    return folder / "manifest.yaml"


def loaded(folder: Path, spec: str = TI) -> Bundle:
    """The bundle."""
    return Bundle(folder, load_manifest(written(folder, spec), folder), "./bundle")


def wrong(folder: Path, old: str, new: str) -> list[str]:
    """What is said of TI's manifest with one thing changed."""
    with pytest.raises(PipelineErrors) as errors:
        loaded(folder, TI.replace(old, new))
    return [f"{error.where and error.where.short}: {error.what}; {error.help}" for error in errors.value.errors]


def test_reads_jumpstarters_manifests_and_addresses_without_quotes(tmp_path: Path) -> None:
    bundle = loaded(tmp_path)
    spec = bundle.manifest.spec
    assert (spec.kernel.address, spec.initram and spec.initram.address) == ("0x82000000", "0x83000000")
    assert bundle.target(None) == ("usd", "/sys/class/block#4fb0000")
    assert bundle.target("emmc") == ("emmc", "/sys/class/block#4f80000")
    assert spec.network_commands == ["udhcpc"]


def test_variants_are_files_or_what_is_different(tmp_path: Path) -> None:
    bundle = loaded(tmp_path)
    assert bundle.device_tree(None) == Loaded(file="data/evm.dtb", address="0x84000000")
    assert bundle.device_tree("alternate") == Loaded(file="data/other.dtb", address="0x84000000")
    assert bundle.device_tree("quiet") == bundle.device_tree(None)
    commands = [bundle.bootcmd(variant) for variant in (None, "alternate", "quiet")]
    assert commands == ["booti 0x82000000 - 0x84000000", "bootm", "booti quiet"]
    with pytest.raises(BenchError, match="has no variant 'quit'") as error:
        bundle.device_tree("quit")
    assert (error.value.blame, error.value.help) == ("config", "did you mean 'quiet'?")


def test_a_device_tree_without_variants_is_its_default(tmp_path: Path) -> None:
    spec = "  {bootcmd: b, targets: {a: /dev/a}, kernel: {file: data/Image, address: 1}, dtb: {default: data/evm.dtb, address: 2}}"
    assert loaded(tmp_path, spec).device_tree(None) == Loaded(file="data/evm.dtb", address="0x2")


def test_the_only_target_needs_no_name_and_one_of_several_does(tmp_path: Path) -> None:
    bundle = loaded(tmp_path, TI.replace("  default_target: usd\n", ""))
    with pytest.raises(BenchError, match="none was named") as error:
        bundle.target(None)
    assert error.value.help == "set target to one of: usd, emmc"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0x82000000}", "here}", "15:39: address needs a number or a variable, got 'here'; such as 0x82000000 or $kernel_addr_r"),
        ("default_target: usd", "default_target: sd", "11:19: default_target is 'sd', and there is no such target; did you mean 'usd'?"),
        ("default: k3-j784s4-evm", "default: my-device.dtb", "18:14: default is 'my-device.dtb', and there is no such variant; known: alternate, k3-j784s4-evm, quiet"),
        ("data/Image", "data/Imag", "15:18: there is no file 'data/Imag' in the bundle; None"),
        ("data/Image", "../Image", "15:18: '../Image' leads out of the bundle; None"),
        ("  bootcmd:", "  bootcmdd:", "8:3: unknown key 'bootcmdd'; did you mean 'bootcmd'?"),
        ("shelltype: busybox", "shelltype: bash", "9:14: "),
    ],
)  # fmt: skip
def test_says_what_is_wrong_and_where(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert [line for line in wrong(tmp_path, old, new) if line.startswith(said)], wrong(tmp_path, old, new)


def test_the_schema_for_editors_agrees(tmp_path: Path) -> None:
    schema = schemas()["bundle"]()
    document = load(written(tmp_path, TI))
    assert document.root
    manifest = plain(document.root)
    jsonschema.validate(manifest, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**manifest, "kind": "Other"}, schema)

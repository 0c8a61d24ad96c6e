"""The cloud-init disk: as other programs read it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from flowrunner.errors import BenchError
from flowrunner_drivers.machine._qemu.config import QemuConfig
from flowrunner_drivers.machine._qemu.seed import seed_files, write_seed
from tests.support.machines import machine

CLOUD_INIT = "/usr/bin/cloud-init"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@desk"


def files(**config: Any) -> dict[str, str]:
    return seed_files(QemuConfig.model_validate(config))


def user_data(**config: Any) -> dict[str, Any]:
    text = files(**config)["user-data"]
    assert text.startswith("#cloud-config\n")
    return dict(json.loads(text.partition("\n")[2]))


def test_is_what_blkid_takes_for_a_seed_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    seed = write_seed(QemuConfig(password="secret"), tmp_path / "seed.iso")
    said = subprocess.run(["/usr/sbin/blkid", "-p", "-o", "export", seed], capture_output=True, text=True, check=True)
    found = dict(line.split("=", 1) for line in said.stdout.splitlines())
    assert (found["LABEL"], found["TYPE"]) == ("cidata", "iso9660")
    assert seed.stat().st_mode & 0o077 == 0


def test_its_files_have_their_names_in_both_ways_to_write_them(tmp_path: Path) -> None:
    seed = write_seed(QemuConfig(network_config={"version": 2}), tmp_path / "seed.iso")
    disk = pycdlib.PyCdlib()
    disk.open(str(seed))
    joliet = {
        child.file_identifier().decode("utf-16-be") for child in disk.list_children(joliet_path="/") if child.is_file()
    }
    rock = {child.rock_ridge.name().decode() for child in disk.list_children(iso_path="/") if child.is_file()}
    disk.close()
    assert joliet == rock == {"user-data", "meta-data", "network-config"}


def test_the_user_can_log_in_by_password_and_by_key(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"# mine\n{KEY}\n\n")
    data = user_data(username="me", password="it's, secret", ssh_keys=[KEY, str(tmp_path / "keys")])
    assert data["ssh_pwauth"] is True
    (user,) = data["users"]
    assert (user["name"], user["plain_text_passwd"], user["lock_passwd"]) == ("me", "it's, secret", False)
    assert user["ssh_authorized_keys"] == [KEY, KEY]


def test_what_the_author_gives_is_laid_over_ours_and_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    data = user_data(user_data={"ssh_pwauth": False, "runcmd": [["touch", "/x"]]}, username="me")
    assert (data["ssh_pwauth"], data["runcmd"], data["users"][0]["name"]) == (False, [["touch", "/x"]], "me")
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nid\n")
    assert files(user_data=str(script))["user-data"] == "#!/bin/sh\nid\n"


def test_a_changed_seed_is_another_instance_and_the_same_one_is_not() -> None:
    ids = [json.loads(files(hostname="a", password=word)["meta-data"])["instance-id"] for word in ("x", "y", "x")]
    assert ids[0] == ids[2] != ids[1]
    given = json.loads(files(hostname="a", meta_data={"instance-id": "mine", "zone": "lab"})["meta-data"])
    assert given == {"instance-id": "mine", "local-hostname": "a", "zone": "lab"}


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    for config in ({"user_data": str(tmp_path / "gone")}, {"ssh_keys": [str(tmp_path / "gone")]}):
        with pytest.raises(BenchError, match=r"gone' could not be read for cloud-init: No such file"):
            files(**config)


READ = """
import sys
from cloudinit import helpers
from cloudinit.sources.DataSourceNoCloud import DataSourceNoCloud
folder = sys.argv[1]
source = DataSourceNoCloud({}, None, helpers.Paths({"cloud_dir": folder + "/cloud", "run_dir": folder + "/run"}))
source.seed_dirs = [folder]
assert source._get_data()
print(source.metadata["local-hostname"], source.metadata["instance-id"], source.network_config["version"])
"""


@pytest.mark.machine
@pytest.mark.skipif(not Path(CLOUD_INIT).exists(), reason="needs cloud-init (apt-get install cloud-init)")
def test_cloud_init_itself_takes_it(tmp_path: Path) -> None:
    network = {"version": 2, "ethernets": {"eth0": {"dhcp4": True}}}
    config = {"hostname": "edge-7", "ssh_keys": [KEY], "meta_data": {"instance-id": "i-1"}, "network_config": network}
    for name, text in files(**config).items():
        (tmp_path / name).write_text(text)
    command = [CLOUD_INIT, "schema", "--config-file", str(tmp_path / "user-data")]
    assert "Valid cloud-config" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    read = subprocess.run(["/usr/bin/python3", "-c", READ, tmp_path], capture_output=True, text=True)
    assert read.stdout.split() == ["edge-7", "i-1", "2"], read.stderr


@pytest.mark.anyio
@pytest.mark.machine
async def test_a_machine_has_it_only_when_asked() -> None:
    assert not machine().config.seeded
    qemu = machine(ssh_keys=[KEY])
    async with qemu.opened():
        await qemu.core.on()
        assert [block["device"] for block in await qemu.qmp("query-block")] == ["seed"]

"""The logins that other programs keep."""

import json
from pathlib import Path

import pytest

from flowrunner.errors import BenchError
from flowrunner.registry.logins import kept_logins


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(path: Path, **config: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return path


def test_without_files_there_are_none(home: Path) -> None:
    assert kept_logins() == {"auths": {}, "credsStore": None, "credHelpers": {}}


def test_the_logins_of_all_programs_are_known_and_podmans_come_first(home: Path) -> None:
    write(home / "run/containers/auth.json", auths={"one": {"auth": "podman"}})
    write(home / ".config/containers/auth.json", auths={"one": {"auth": "older"}, "two": {"auth": "kept"}})
    write(home / ".docker/config.json", auths={"one": {"auth": "docker"}, "three": {}}, credsStore="pass")
    known = kept_logins()
    assert known["auths"] == {"one": {"auth": "podman"}, "two": {"auth": "kept"}, "three": {}}
    assert known["credsStore"] == "pass"


def test_the_files_that_a_ci_job_names_are_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(write(home / "given.json", auths={"one": {"auth": "given"}})))
    monkeypatch.setenv("DOCKER_CONFIG", str(write(home / "job/config.json", credHelpers={"two": "ecr-login"}).parent))
    known = kept_logins()
    assert known["auths"] == {"one": {"auth": "given"}}
    assert known["credHelpers"] == {"two": "ecr-login"}


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_file_is_told_by_name(home: Path, text: str) -> None:
    path = write(home / ".docker/config.json")
    path.write_text(text)
    with pytest.raises(BenchError, match=f"the logins in {path} cannot be read"):
        kept_logins()

"""Inputs and secrets: types, sources, precedence, what is missing."""

import hashlib
from pathlib import Path

import pytest

from flowrunner.model import Duration, Secret, Size, Version
from flowrunner.pipeline import plan_json
from tests.support.compiler import Bench

STEPS = "steps:\n  - log: hello\n"


def values(bench: Bench, declared: str, **how: object) -> object:
    return dict(bench.compile(f"flow: 1\ninputs: {declared}\n{STEPS}", **how).plan.inputs)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "007", "007"), ("int", "42", 42), ("float", "1e3", 1000.0), ("bool", "true", True),
        ("duration", "1h30m", Duration(5400)), ("size", "64MiB", Size(64 << 20)), ("version", "1.10", Version("1.10")),
        ("regex", "a+", "a+"), ("list", "[1, two]", [1, "two"]), ("map", "{a: 1}", {"a": 1}), ("any", "off", "off"),
    ],
)  # fmt: skip
def test_text_becomes_a_value_of_the_type(bench: Bench, kind: str, text: str, value: object) -> None:
    assert values(bench, f"{{x: {{type: {kind}}}}}", inputs={"x": text}) == {"x": value}
    found = values(bench, f"{{x: {{type: {kind}}}}}", environment={"FLOW_INPUT_X": text})
    assert found == {"x": value}
    assert type(found["x"]) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("int", "4.5", "needs a whole number, got the text '4.5'"), ("bool", "yes", "needs true or false, got the text 'yes'"),
        ("duration", "10", "needs a duration, got the number 10"), ("list", "a", "needs a list, got the text 'a'"),
        ("regex", "(", "is no regular expression: missing ) at position 1"),
        ("file", "none.img", "needs a file that exists, there is no 'none.img'"),
    ],
)  # fmt: skip
def test_text_that_is_no_such_value_is_an_error_at_the_declaration(
    bench: Bench, kind: str, text: str, why: str
) -> None:
    found = bench.errors(f"flow: 1\ninputs:\n  x: {{type: {kind}}}\n{STEPS}", inputs={"x": text})
    assert [error.partition(" | ")[0] for error in found] == [f"3:3 bad-input: the input 'x' {why}"]


def test_what_was_named_wins_over_the_file_over_the_environment_over_the_default(bench: Bench) -> None:
    file = bench.folder / "inputs.yaml"
    file.write_text("b: file\na: file\n")
    found = values(
        bench, "{a: {}, b: {}, c: {}, d: {default: default}}", inputs={"a": "named"}, inputs_file=file,
        environment={"FLOW_INPUT_A": "env", "FLOW_INPUT_B": "env", "FLOW_INPUT_C": "env"},
    )  # fmt: skip
    assert found == {"a": "named", "b": "file", "c": "env", "d": "default"}


def test_an_input_that_need_not_be_given_is_null(bench: Bench) -> None:
    assert values(bench, "{x: {required: false}}") == {"x": None}


def test_an_input_without_default_must_be_given_unless_only_the_file_is_checked(bench: Bench) -> None:
    text = "flow: 1\ninputs: {x: {type: duration}}\nsecrets: {s: {}}\nsteps: [{wait: '${{ inputs.x }}'}]\n"
    assert bench.errors(text) == [
        "2:10 missing-input: the input 'x' is required, and no value was given"
        " | give it with --input x=..., in an inputs file, or as FLOW_INPUT_X",
        "3:11 missing-secret: the secret 's' is required, and no value was given"
        " | give it as FLOW_SECRET_S, or in a file with --secrets-file",
    ]
    assert bench.compile(text, complete=False).plan.input_types == {"x": "duration"}


def test_an_unknown_input_is_told_with_those_that_exist(bench: Bench) -> None:
    file = bench.folder / "inputs.yaml"
    file.write_text("imgae: x\n")
    text = f"flow: 1\ninputs: {{image: {{default: a}}}}\n{STEPS}"
    assert bench.errors(text, inputs={"imag": "x"}, inputs_file=file) == [
        "- unknown-input: there is no input 'imag' | did you mean 'image'?",
        "1:1 unknown-input: there is no input 'imgae' | did you mean 'image'?",
    ]


def test_a_file_is_found_and_hashed(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.folder / "images").mkdir()
    (bench.folder / "images" / "a.img").write_bytes(b"abc")
    compiled = bench.compile(f"flow: 1\ninputs: {{image: {{type: file, default: images/a.img}}}}\n{STEPS}")
    sha256 = hashlib.sha256(b"abc").hexdigest()
    assert compiled.plan.inputs["image"] == str(bench.folder / "images" / "a.img")
    assert plan_json(compiled.plan)["inputs"]["image"] == {
        "type": "file", "value": "images/a.img", "sha256": sha256, "size": 3
    }  # fmt: skip
    monkeypatch.chdir(bench.folder / "images")
    given = bench.compile(f"flow: 1\ninputs: {{image: {{type: file}}}}\n{STEPS}", inputs={"image": "a.img"})
    assert given.plan.inputs["image"] == str(bench.folder / "images" / "a.img")


def test_a_directory_is_hashed_by_names_and_contents(bench: Bench) -> None:
    folder = bench.folder / "overlay"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "issue").write_text("one")

    def digest() -> str:
        compiled = bench.compile(f"flow: 1\ninputs: {{x: {{type: directory, default: overlay}}}}\n{STEPS}")
        return compiled.plan.input_files["x"].sha256

    before = digest()
    assert digest() == before
    (folder / "etc" / "issue").rename(folder / "etc" / "motd")
    assert digest() != before


def test_secrets_come_from_the_file_or_the_environment(bench: Bench) -> None:
    file = bench.folder / "secrets.yaml"
    file.write_text("a: from-file\nother: ignored\n")
    file.chmod(0o600)
    compiled = bench.compile(
        f"flow: 1\nsecrets: {{a: {{}}, b: {{}}, c: {{required: false}}}}\n{STEPS}", secrets_file=file,
        environment={"FLOW_SECRET_A": "from-environment", "FLOW_SECRET_B": "from-environment"},
    )  # fmt: skip
    assert compiled.secrets == {"a": "from-file", "b": "from-environment", "c": ""}
    assert all(type(secret) is Secret for secret in compiled.secrets.values())
    assert compiled.plan.secrets == ("a", "b", "c")


def test_a_secrets_file_that_others_can_read_is_refused(bench: Bench) -> None:
    file = bench.folder / "secrets.yaml"
    file.write_text("a: from-file\n")
    file.chmod(0o644)
    found = bench.errors(f"flow: 1\nsecrets: {{a: {{required: false}}}}\n{STEPS}", secrets_file=file)
    assert found == [
        f"- open-secrets: the secrets file '{file}' can be read by others, its mode is 0644 | chmod 600 {file}"
    ]


def test_no_error_about_a_secrets_file_shows_a_secret(bench: Bench) -> None:
    file = bench.folder / "secrets.yaml"
    file.touch(mode=0o600)
    for text in ("a: 123456789\n", "a: 'hunter2hunter2\n", "hunter2hunter2", "a: [hunter2hunter2]"):
        file.write_text(text)
        found = bench.errors(f"flow: 1\nsecrets: {{a: {{}}}}\n{STEPS}", secrets_file=file)
        assert "hunter2" not in str(found)
        assert "123456789" not in str(found)


def test_a_secret_too_short_to_be_masked_is_a_warning(bench: Bench) -> None:
    compiled = bench.compile(f"flow: 1\nsecrets: {{pin: {{}}}}\n{STEPS}", environment={"FLOW_SECRET_PIN": "12345"})
    assert compiled.warnings == ("the secret 'pin' has fewer than 6 characters: it is not masked in logs and reports",)


def test_no_secret_is_in_the_plan(bench: Bench) -> None:
    text = "flow: 1\nsecrets: {a: {}}\nsteps: [{run: {command: ./go, env: {A: '${{ secrets.a }}'}}}]\n"
    compiled = bench.compile(text, environment={"FLOW_SECRET_A": "hunter2hunter2"})
    assert "hunter2" not in str(plan_json(compiled.plan))
    assert compiled.secrets["a"] == "hunter2hunter2"


def test_secrets_flow_into_text_around_them_where_they_may(bench: Bench) -> None:
    bench.compile(
        "flow: 1\nsecrets: {a: {required: false}}\ndevices: {dut: {}}\nsteps:\n"
        "  - shell: {command: ./go, env: {A: 'Bearer ${{ secrets.a }}'}}\n"
        "  - login: {username: root, password: '${{ secrets.a }}'}\n"
        "  - send: ${{ secrets.a }}\n"
    )

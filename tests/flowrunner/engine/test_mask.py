import base64
import json
import shlex
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.engine.mask import Masker

AWKWARD = st.text(
    alphabet=st.one_of(st.sampled_from("p+*.()[]{}\\\"'$|^?\n\t üß€😀&<>%/:"), st.characters(codec="utf-8")), min_size=6
)


def spellings(secret: str) -> list[bytes]:
    raw = secret.encode()
    return [
        raw,
        base64.b64encode(raw),
        raw.hex().encode(),
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        shlex.quote(secret).encode(),
        secret.replace("'", "''").encode(),
    ]


@given(AWKWARD, st.binary(max_size=20), st.binary(max_size=20))
def test_no_spelling_of_a_secret_survives(secret: str, before: bytes, after: bytes) -> None:
    masker = Masker([secret])
    for spelling in spellings(secret):
        assert spelling not in masker.stars(before + spelling + after)


@given(AWKWARD, st.lists(st.integers(1, 7)), st.binary(max_size=30))
def test_a_stream_is_masked_like_the_whole_wherever_it_is_cut(secret: str, cuts: list[int], noise: bytes) -> None:
    masker = Masker([secret])
    data = noise + secret.encode() + noise + base64.b64encode(secret.encode()) + noise
    stream, out, rest = masker.stream(), b"", data
    for cut in [*cuts, *[1] * len(data)]:
        out += stream.feed(rest[:cut])
        rest = rest[cut:]
    out += stream.flush()
    assert secret.encode() not in out
    assert len(out) == len(data)
    assert out == masker.stars(data)


@given(st.binary())
def test_other_bytes_stay_as_they_are(data: bytes) -> None:
    masker = Masker(["correct horse battery staple"])
    stream = masker.stream()
    assert stream.feed(data) + stream.flush() == data


def test_a_held_beginning_comes_out_when_it_was_no_secret() -> None:
    stream = Masker(["p+ss.w0rd"]).stream()
    assert stream.feed(b"the p+ss") == b"the "
    assert stream.feed(b" is over") == b"p+ss is over"


@pytest.mark.parametrize("secret", ["p+ss.w0rd", "x(yxxxx", 'a"b\\cdef', "pässwörd"])
def test_text_and_data_show_stars(secret: str) -> None:
    masker = Masker([secret])
    assert masker.text(f"<{secret}>") == "<***>"
    assert masker.data({"a": [secret, 1], secret: (secret,)}) == {"a": ["***", 1], "***": ["***"]}


def test_short_secrets_are_left_alone() -> None:
    assert Masker(["ab"]).text("drab cab") == "drab cab"

"""Frames are what protobuf would write, and any bytes are read as protobuf reads them, or refused."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.remote.frames import GOAWAY, PING, RST_STREAM, FrameType, data_frame, read_frame
from flowrunner.remote.wire import router

SIZES = st.sampled_from([0, 1, 127, 128, 16383, 16384, 262144, 2097151, 2097152])


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_data_is_packed_as_protobuf_packs_it(pieces: list[bytes]) -> None:
    payload = b"".join(pieces)
    packed = data_frame(pieces, len(payload))
    assert packed == router.StreamRequest(payload=payload).SerializeToString()
    assert packed == router.StreamResponse(payload=payload).SerializeToString()


@given(SIZES)
def test_each_width_of_a_length_is_packed_and_read(size: int) -> None:
    payload = bytes(size)
    packed = data_frame([memoryview(payload)], size)
    assert packed == router.StreamRequest(payload=payload).SerializeToString()
    assert read_frame(packed) == (FrameType.DATA, payload)


@pytest.mark.parametrize(("packed", "kind"), [(GOAWAY, 7), (PING, 6), (RST_STREAM, 3)])
def test_the_frames_without_data_are_packed_as_protobuf_packs_them(packed: bytes, kind: Any) -> None:
    assert packed == router.StreamRequest(frame_type=kind).SerializeToString()
    assert read_frame(packed) == (kind, b"")


@given(st.binary(max_size=300), st.sampled_from([0, 3, 6, 7, 9]))
def test_what_protobuf_packs_is_read(payload: bytes, kind: Any) -> None:
    assert read_frame(router.StreamResponse(payload=payload, frame_type=kind).SerializeToString()) == (kind, payload)


@given(
    st.one_of(
        st.binary(max_size=40),
        st.builds(lambda length, body: b"\x0a" + length + body, st.binary(max_size=7), st.binary(max_size=130)),
    )
)
def test_any_bytes_are_read_as_protobuf_reads_them_or_refused(message: bytes) -> None:
    try:
        expected = router.StreamRequest.FromString(message)
    except DecodeError:
        with pytest.raises(ValueError, match="no frame"):
            read_frame(message)
    else:
        assert read_frame(message) == (expected.frame_type, expected.payload)

"""The parts that know no socket, with any input."""

import os
import struct
import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrunner_drivers.tftp._content import Content, Netascii, netascii_size
from flowrunner_drivers.tftp._options import Agreed, Limits, agree
from flowrunner_drivers.tftp._packets import Refusal, Request, error, oack, read
from flowrunner_drivers.tftp._window import Ack, Window

NAMES = st.sampled_from(["blksize", "timeout", "tsize", "windowsize", "BLKSIZE", "multicast", ""])
VALUES = st.one_of(st.integers(-5, 70_000).map(str), st.text(max_size=8))


@given(st.one_of(st.binary(max_size=600), st.binary(max_size=100).map(lambda data: b"\0\1" + data)))
def test_any_packet_is_a_request_or_refused(packet: bytes) -> None:
    try:
        request = read(packet)
    except Refusal as refusal:
        code = struct.unpack("!HH", refusal.packet()[:4])
        assert code[0] == 5 and code[1] in (2, 4, 5, 8)
        assert refusal.packet().endswith(b"\0")
    else:
        assert request.name and packet.startswith(b"\0\1")


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of ours
@given(st.dictionaries(NAMES, VALUES), st.integers(0, 1 << 40))
def test_what_is_granted_is_within_what_was_asked_and_allowed(options: dict[str, str], size: int) -> None:
    agreed = agree(options, Limits(blksize=1468, windowsize=16, timeout=0.5), size)
    assert 8 <= agreed.blksize <= 1468 and 1 <= agreed.windowsize <= 16 and agreed.timeout > 0
    assert set(agreed.answer) <= {name for name in options if name in ("blksize", "timeout", "tsize", "windowsize")}
    for name in ("blksize", "windowsize", "timeout"):
        assert name not in agreed.answer or int(agreed.answer[name]) <= int(options[name])
    assert len(oack(agreed.answer)) < 512


def test_names_of_any_encoding_lead_to_the_file_of_these_bytes() -> None:
    raw = bytes(range(1, 256)).replace(b"/", b"")
    assert os.fsencode(read(b"\0\1" + raw + b"\0octet\0").name) == raw
    assert read(b"\0\1f\0NetASCII\0\0\0\0") == Request("f", True, {})
    assert error(read_code := 1, "nö") == struct.pack("!HH", 5, read_code) + b"n?\0"  # type: ignore[arg-type]


@settings(max_examples=50)
@given(st.binary(max_size=3000), st.integers(8, 600))
def test_packets_hold_the_file_and_the_last_is_not_full(data: bytes, blksize: int) -> None:
    for kind in (Content, Netascii):
        wanted = data if kind is Content else data.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")
        with tempfile.TemporaryFile(buffering=0) as file:
            file.write(data)
            file.seek(0)
            size = netascii_size(file) if kind is Netascii else len(data)
            content, made = kind(file, Agreed({}, blksize)), []
            while not content.ended:
                made += [bytes(packet) for packet in content.packets()]
        assert b"".join(packet[4:] for packet in made) == wanted
        assert size == content.size == len(wanted)
        assert [struct.unpack("!HH", packet[:4]) for packet in made] == [(3, n + 1) for n in range(len(made))]
        assert all(len(packet) == blksize + 4 for packet in made[:-1]) and len(made[-1]) < blksize + 4


@settings(max_examples=15)
@given(st.data(), st.integers(1, 20), st.integers(0, 200_000))
def test_a_window_never_loses_nor_skips_a_block(data: st.DataObject, size: int, first: int) -> None:
    count = 60
    window, arrived, sent = Window(first + 1, size), first, set()
    window.add([struct.pack("!I", number) for number in range(first + 1, first + 1 + count)])
    for _ in range(200):
        numbers = [struct.unpack("!I", packet)[0] for packet in window.due()]
        assert numbers == list(range(window.first + window.sent - len(numbers), window.first + window.sent))
        sent.update(numbers)
        number = data.draw(st.one_of(st.integers(0, 65535), st.integers(arrived - 2, arrived + size + 2))) & 0xFFFF
        match window.acknowledge(number):
            case Ack.NEWS:
                arrived = window.first - 1
                assert arrived & 0xFFFF == number and arrived in sent
            case Ack.SAME:
                assert arrived & 0xFFFF == number
                window.rewind()
        if not window:
            break
    assert len(window) == first + count - arrived


def test_the_next_packet_goes_out_in_step_with_its_acknowledgement() -> None:
    window = Window(65535, 1)
    window.add([b"a", b"b", b"c"])
    assert not window.in_step
    assert list(window.due()) == [b"a"]
    assert window.in_step
    assert window.steps(1) == [(b"\0\4\xff\xff", b"b")]
    window.stepped(1)
    assert window.steps(5) == [(b"\0\4\0\0", b"c")]
    window.stepped(1)
    assert not window.in_step
    assert (window.acknowledge(1), len(window), window.again) == (Ack.NEWS, 0, 0)

"""Fields that newer messages have, as such a newer client reads them."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.remote.exporter.log_message import log_message
from flowrunner.remote.exporter.logs import Said
from flowrunner.remote.later import text, texts
from flowrunner.remote.wire import messages

words = st.text(max_size=300)


def newer() -> Any:
    """`LogStreamResponse` with the fields that came later; pools are apart, so that both can be in one process."""
    Field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="newer.proto", package="newer", syntax="proto3")
    time = file.message_type.add(name="Timestamp")
    time.field.add(name="seconds", number=1, type=Field.TYPE_INT64, label=Field.LABEL_OPTIONAL)
    time.field.add(name="nanos", number=2, type=Field.TYPE_INT32, label=Field.LABEL_OPTIONAL)
    line = file.message_type.add(name="Line")
    for number, name in ((2, "severity"), (3, "message"), (5, "driver_type"), (6, "operation")):
        line.field.add(name=name, number=number, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
    line.field.add(name="source", number=4, type=Field.TYPE_INT32, label=Field.LABEL_OPTIONAL)
    line.field.add(
        name="timestamp", number=7, type=Field.TYPE_MESSAGE, type_name=".newer.Timestamp", label=Field.LABEL_OPTIONAL
    )
    entry = line.nested_type.add(name="FieldsEntry")
    entry.options.map_entry = True
    for number, name in ((1, "key"), (2, "value")):
        entry.field.add(name=name, number=number, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
    line.field.add(
        name="fields",
        number=8,
        type=Field.TYPE_MESSAGE,
        type_name=".newer.Line.FieldsEntry",
        label=Field.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("newer.Line"))


Newer = newer()


@given(words, words, st.dictionaries(words, words, max_size=3), st.integers(0, 2**33))
def test_a_newer_client_reads_them_and_an_older_one_the_rest(
    kind: str, operation: str, fields: dict[str, str], time: int
) -> None:
    said = Said("INFO", "hello", "driver", "power", kind, operation, fields, time=time + 0.25)
    data = log_message(said).SerializeToString()
    read = Newer.FromString(data)
    assert (read.severity, read.message, read.source) == ("INFO", "hello", 1)
    assert (read.driver_type, read.operation, dict(read.fields)) == (kind or "power", operation, fields)
    assert (read.timestamp.seconds, read.timestamp.nanos) == (time, 250_000_000)
    assert messages.LogStreamResponse.FromString(data).message == "hello"


def test_what_is_not_there_takes_no_byte() -> None:
    assert text(5, None) == text(5, "") == texts(8, None) == b""

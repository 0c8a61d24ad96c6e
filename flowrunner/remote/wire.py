"""The protocol's messages and stubs, and google's types: the one place that imports them."""

from google.protobuf.empty_pb2 import Empty as Empty
from google.protobuf.message import DecodeError as DecodeError
from google.protobuf.struct_pb2 import ListValue as ListValue
from google.protobuf.struct_pb2 import NullValue as NullValue
from google.protobuf.struct_pb2 import Struct as Struct
from google.protobuf.struct_pb2 import Value as Value
from google.protobuf.timestamp_pb2 import Timestamp as Timestamp
from jumpstarter_protocol.jumpstarter.v1 import common_pb2 as common
from jumpstarter_protocol.jumpstarter.v1 import jumpstarter_pb2 as messages
from jumpstarter_protocol.jumpstarter.v1 import jumpstarter_pb2_grpc as services
from jumpstarter_protocol.jumpstarter.v1 import router_pb2 as router
from jumpstarter_protocol.jumpstarter.v1 import router_pb2_grpc as router_services

__all__ = [
    "DecodeError",
    "Empty",
    "ListValue",
    "Struct",
    "Timestamp",
    "Value",
    "common",
    "messages",
    "router",
    "router_services",
    "services",
]

PASSPHRASE = "x-jumpstarter-passphrase"
"""Metadata: the shared passphrase, on every rpc."""

REQUEST = "request"
"""Metadata of a stream: what it is for, as JSON."""

RESOURCE = "resource"
"""Metadata with which a stream for a resource is answered: the handle, as JSON."""

ACCEPTED = "x_jmp_accept_encoding"
"""Metadata beside it: the encoding that the exporter unpacks and packs; absent or empty when it does not."""

ENCODING = "x_jmp_content_encoding"
"""Key of a request and of a handle: how the content is packed."""

CLIENT = "jumpstarter.dev/client"
"""Label of a part: the class path of Jumpstarter's client."""

NAME = "jumpstarter.dev/name"
"""Label of a part: its name below its parent."""

INTERFACES = "flowrunner.dev/interfaces"
"""Label of a part of our own exporters: the names of its interfaces, most special first, with commas."""

TYPE = "flowrunner.dev/type"
"""Label of a part of our own exporters: the driver's type."""

MOTD = "flowrunner.dev/motd"
"""Label of our own exporters: the message for those who lease it. Jumpstarter 0.9.0 has no field for it."""

HOME = "flowrunner.dev/home"
"""Label of a part of our own exporters: the path at which it really stands, whatever refers to it."""

MESSAGE_LIMIT = 4 * 1024 * 1024
"""Bytes of one message that a peer takes (gRPC's default)."""

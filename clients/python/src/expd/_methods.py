"""The calls of the contract that this package makes, and how a connection is set up."""

from __future__ import annotations

from typing import Any, Generic, List, Tuple, Type, TypeVar

from google.protobuf.message import Message

from .v1 import api_pb2, daemon_pb2, network_pb2

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)


class Method(Generic[Request, Answer]):
    """A call: its path, and the types of its messages."""

    __slots__ = ("answer", "name", "path", "request")

    def __init__(self, name: str, request: Type[Request], answer: Type[Answer]) -> None:
        #: As in the contract: ``Network.Broadcast``.
        self.name = name
        self.path = "/expd.v1." + name.replace(".", "/")
        self.request = request
        self.answer = answer


BROADCAST = Method(
    "Network.Broadcast", network_pb2.BroadcastRequest, network_pb2.BroadcastResponse
)
RESPOND = Method("Network.Respond", network_pb2.RespondRequest, network_pb2.RespondResponse)
REQUEST = Method("Api.Request", api_pb2.ApiRequest, api_pb2.ApiResponse)
GET_IDENTITY = Method("Api.GetIdentity", api_pb2.GetIdentityRequest, api_pb2.Identity)
GET_CONTENT_URL = Method(
    "Api.GetContentUrl", api_pb2.GetContentUrlRequest, api_pb2.GetContentUrlResponse
)
GET_STATUS = Method("Daemon.GetStatus", daemon_pb2.GetStatusRequest, daemon_pb2.Status)
UNARY: List[Method[Any, Any]] = [
    BROADCAST,
    RESPOND,
    REQUEST,
    GET_IDENTITY,
    GET_CONTENT_URL,
    GET_STATUS,
]

LISTEN = Method("Network.Listen", network_pb2.ListenRequest, network_pb2.ListenEvent)
WATCH_STATUS = Method("Daemon.WatchStatus", daemon_pb2.WatchStatusRequest, daemon_pb2.LinkEvent)
RUN_INSTANCE = Method("Daemon.RunInstance", daemon_pb2.RunInstanceRequest, daemon_pb2.LinkEvent)


def channel_options() -> List[Tuple[str, Any]]:
    """Options of the connection to the daemon."""
    return [
        # The largest payload with its envelope, or many responses. The daemon names its own limit
        # for what is sent; one here would only hide it.
        ("grpc.max_receive_message_length", 20 << 20),
        ("grpc.max_send_message_length", -1),
        # A daemon that restarts is back within tenths of a second; gRPC would wait seconds, and
        # longer each time.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # By its name a pause, and in truth the least time that an attempt to connect has, which a
        # busy machine needs.
        ("grpc.min_reconnect_backoff_ms", 5000),
        # What waits for a slow program waits in the daemon's log. Probing would widen the window of
        # a stream from 64 KiB to megabytes.
        ("grpc.http2.bdp_probe", 0),
        # No call is repeated behind the program's back.
        ("grpc.enable_retries", 0),
    ]

"""The connection to the daemon, for calls that block."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, TypeVar

import grpc
from google.protobuf.message import Message
from grpc.experimental import ChannelOptions

from .. import _failure, _fork, _methods, _socket
from .._methods import Method
from ..errors import ExpError

Answer = TypeVar("Answer", bound=Message)

#: Seconds for calls that the daemon answers from memory.
ANSWER_TIMEOUT = 10.0


class Transport:
    """One connection, which opens again by itself."""

    def __init__(self, socket: Optional[str]) -> None:
        #: The daemon's socket.
        self.path = _socket.find(socket)
        self._generation = _fork.opening()
        self._metadata = _socket.metadata(self.path)
        self._channel = grpc.insecure_channel(_socket.target(self.path), options=_options())
        self._calls: Dict[str, Callable[..., Any]] = {
            method.name: self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.answer.FromString,
            )
            for method in _methods.UNARY
        }

    @property
    def is_here(self) -> bool:
        """True: a connection belongs to all threads of the process that opened it."""
        return self._generation == _fork.generation

    @property
    def is_gone(self) -> bool:
        """False: a connection lasts as long as its process."""
        return False

    def check_process(self) -> None:
        """Refuses the use in a child of the process that opened the connection."""
        if self._generation != _fork.generation:
            _fork.check(self._generation)

    def call(self, method: Method[Any, Answer], request: Message, timeout: float) -> Answer:
        """Makes a call that ends after ``timeout`` seconds at the latest."""
        self.check_process()
        try:
            answer: Answer = self._calls[method.name](
                request, timeout=timeout, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise self.failure(error, method.name) from None
        return answer

    def stream(
        self,
        method: Method[Any, Answer],
        request: Message,
        deserializer: Optional[Callable[[bytes], Any]] = None,
    ) -> Any:
        """Opens a stream of answers; ``deserializer`` stands in for the answer's own."""
        _fork.check(self._generation)
        open_stream: Any = self._channel.unary_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=deserializer or method.answer.FromString,
        )
        return open_stream(request, metadata=self._metadata)

    @contextmanager
    def watching(self, lost: Callable[[], None]) -> Iterator[None]:
        """Calls `lost` from another thread when the connection is lost, or is already."""

        def changed(state: grpc.ChannelConnectivity) -> None:
            if state is not grpc.ChannelConnectivity.READY:
                lost()

        self._channel.subscribe(changed)
        try:
            yield
        finally:
            self._channel.unsubscribe(changed)

    def failure(self, error: Any, name: str) -> ExpError:
        """The error of a call or stream that failed."""
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return _failure.unknown_call(name, self._version(name))
        return _failure.from_rpc(error, self.path)

    def _version(self, name: str) -> str:
        """The daemon's version; empty where it does not say."""
        method = _methods.GET_STATUS
        if name == method.name:
            return ""
        try:
            status = self.call(method, method.request(page_size=1), ANSWER_TIMEOUT)
        except ExpError:
            return ""
        return status.version

    def close(self) -> None:
        """Ends the connection, with all its calls and streams."""
        if self._generation == _fork.generation:
            self._channel.close()


def _options() -> List[Tuple[str, Any]]:
    # The thread that reads a stream waits for gRPC by itself, in place of being woken by gRPC's own
    # thread: a third less CPU for a broadcast. A gRPC without this option passes over it.
    return [*_methods.channel_options(), (ChannelOptions.SingleThreadedUnaryStream, 1)]

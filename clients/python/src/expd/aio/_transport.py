"""The connection to the daemon, for coroutines."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Dict, Optional, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

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
        self._loop = asyncio.get_running_loop()
        self._metadata = _socket.metadata(self.path)
        self._channel = grpc.aio.insecure_channel(
            _socket.target(self.path), options=_methods.channel_options()
        )
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
        """True in the event loop that the connection belongs to."""
        return self._loop is asyncio.get_running_loop()

    @property
    def is_gone(self) -> bool:
        """True once the event loop has ended, and all of it with the loop."""
        return self._loop.is_closed()

    async def call(self, method: Method[Any, Answer], request: Message, timeout: float) -> Answer:
        """Makes a call that ends after ``timeout`` seconds at the latest."""
        if self._generation != _fork.generation:
            _fork.check(self._generation)
        try:
            answer: Answer = await self._calls[method.name](
                request, timeout=timeout, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise await self.failure(error, method.name) from None
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

    async def failure(self, error: Any, name: str) -> ExpError:
        """The error of a call or stream that failed."""
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return _failure.unknown_call(name, await self._version(name))
        return _failure.from_rpc(error, self.path)

    async def _version(self, name: str) -> str:
        """The daemon's version; empty where it does not say."""
        method = _methods.GET_STATUS
        if name == method.name:
            return ""
        try:
            status = await self.call(method, method.request(page_size=1), ANSWER_TIMEOUT)
        except ExpError:
            return ""
        return status.version

    async def close(self) -> None:
        """Ends the connection, with all its calls and streams."""
        if self._generation == _fork.generation:
            await self._channel.close()

"""The state of an identity's link to EXP, and the events that it causes.

A task follows it: for an identity that the program brings along from the start, since that one
lives as long as its stream; for the daemon's own ones once the program asks for it.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Awaitable, Callable, List, Optional, Set

import grpc.aio
from google.protobuf.message import Message

from .. import _failure, _methods
from .._backoff import Backoff
from .._methods import Method
from .._options import Options
from .._states import Callbacks, Event, States, report
from ..errors import ExpError, NetworkError
from ..v1 import daemon_pb2
from ._transport import ANSWER_TIMEOUT, Transport


class Link:
    """Follows the link of one identity."""

    def __init__(
        self,
        transport: Transport,
        options: Options,
        identity: Callable[[], Awaitable[Any]],
    ) -> None:
        self._transport = transport
        self._run = options.run
        self._instance = options.instance or "default"
        self._identity = identity
        self._states = States(options.network)
        self._callbacks = Callbacks()
        self._task: "Optional[asyncio.Task[None]]" = None
        self._called: "Set[asyncio.Future[Any]]" = set()
        self._closing = False
        self._usable = asyncio.Event()
        self._settled = asyncio.Event()
        # The first answer: a state, or the error with which the daemon refuses.
        self._begun = asyncio.Event()
        self._failure: Optional[ExpError] = None
        if self._run is None:
            self._usable.set()

    async def begin(self) -> None:
        """Starts an identity that the program brings along, and waits until it may be named."""
        if self._run is None:
            return
        self.follow()
        try:
            await asyncio.wait_for(self._begun.wait(), ANSWER_TIMEOUT)
        except asyncio.TimeoutError:
            raise NetworkError(
                f"the daemon at {self._transport.path} did not answer within {ANSWER_TIMEOUT:g} s; "
                "its log may tell why",
                fate="unknown",
            ) from None
        if self._failure is not None:
            raise self._failure

    def follow(self) -> None:
        """Follows the link from now on."""
        if self._task is None and not self._closing:
            self._task = asyncio.ensure_future(self._loop())

    async def usable(self, timeout: float) -> None:
        """Waits until calls may name the identity: after the daemon has restarted, it has to be
        run again first."""
        if self._usable.is_set() and self._failure is None:
            return
        try:
            await asyncio.wait_for(self._usable.wait(), timeout)
        except asyncio.TimeoutError:
            raise NetworkError(
                f"the daemon at {self._transport.path} is away, or has not taken this program's "
                f"identity again within {timeout:g} s"
            ) from None
        if self._failure is not None:
            raise self._failure

    async def settled(self, timeout: float) -> None:
        """Waits until the first login has succeeded or failed."""
        self.follow()
        try:
            await asyncio.wait_for(self._settled.wait(), timeout)
        except asyncio.TimeoutError:
            pass

    async def pause(self, seconds: float) -> None:
        """Waits a moment, for a link that is about to change."""
        await asyncio.sleep(seconds)

    def on(self, name: str, callback: Callable[..., Any]) -> None:
        """Registers a callback, a function or a coroutine function."""
        holding = self._callbacks.add(name, callback)
        self.follow()
        if holding is not None:
            self._call(callback, *holding)

    @property
    def is_connected(self) -> bool:
        """True while the identity's live connection to EXP is open, as far as it is known."""
        self.follow()
        return self._states.is_connected

    def describe(self) -> str:
        """The present state, for an error message; empty where nothing follows it."""
        name = self._states.name()
        return f"the link to EXP is {name} {self._states.reason}".rstrip() if name else ""

    async def close(self) -> None:
        """Ends the task, and with it an identity that the program brought along."""
        self._closing = True
        task = self._task
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _loop(self) -> None:
        backoff = Backoff()
        try:
            while True:
                failure = await self._follow_stream(backoff)
                if self._run is not None:
                    self._usable.clear()
                    self._settled.clear()
                await self._emit(self._states.lost())
                first = not self._begun.is_set()
                if self._run is not None and (first or not _failure.is_transient(failure)):
                    # Refused at the start: `begin` raises it. Later, calls do.
                    self._failure = failure
                    self._begun.set()
                    self._usable.set()
                    self._settled.set()
                    await self._emit([] if first else [("error", failure)])
                    return
                if not _failure.is_transient(failure):
                    # Such as access rules that show no status: nothing follows the link then.
                    self._begun.set()
                    self._settled.set()
                    await self._emit([("error", failure)])
                    return
                await asyncio.sleep(backoff.next(failure.retry_after))
        except asyncio.CancelledError:
            for name, _ in self._states.lost():
                for callback in self._callbacks.note(name):
                    self._call(callback)
            raise

    async def _follow_stream(self, backoff: Backoff) -> ExpError:
        """Follows one stream to its end."""
        method: Method[Any, daemon_pb2.LinkEvent] = _methods.WATCH_STATUS
        request: Message = daemon_pb2.WatchStatusRequest()
        if self._run is not None:
            method, request = _methods.RUN_INSTANCE, self._run
        stream = self._transport.stream(method, request)
        try:
            async for event in stream:
                backoff.succeeded()
                if self._run is None and event.instance != self._instance:
                    continue
                events = self._states.feed(event)
                self._usable.set()
                self._begun.set()
                if self._states.is_settled:
                    self._settled.set()
                await self._emit(events)
        except grpc.aio.AioRpcError as error:
            return await self._transport.failure(error, method.name)
        finally:
            stream.cancel()
        return NetworkError("the daemon ended the stream")

    async def _emit(self, events: List[Event]) -> None:
        for name, argument in events:
            arguments = () if argument is None else (argument,)
            if name == "update":
                try:
                    arguments = (await self._identity(),)
                except ExpError:
                    # The link broke again meanwhile; the next state tells it.
                    continue
            for callback in self._callbacks.note(name, *arguments):
                self._call(callback, *arguments)

    def _call(self, callback: Callable[..., Any], *arguments: Any) -> None:
        try:
            result = callback(*arguments)
        except Exception:
            report(callback)
            return
        if inspect.isawaitable(result):
            task = asyncio.ensure_future(self._finish(callback, result))
            # The loop holds tasks weakly.
            self._called.add(task)
            task.add_done_callback(self._called.discard)

    async def _finish(self, callback: Callable[..., Any], result: Awaitable[Any]) -> None:
        try:
            await result
        except Exception:
            report(callback)

"""The state of an identity's link to EXP, and the events that it causes.

A thread follows it: for an identity that the program brings along from the start, since that one
lives as long as its stream; for the daemon's own ones once the program asks for it.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Optional

import grpc
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
        self, transport: Transport, options: Options, identity: Callable[[], Any]
    ) -> None:
        self._transport = transport
        self._run = options.run
        self._instance = options.instance or "default"
        self._identity = identity
        self._states = States(options.network)
        self._callbacks = Callbacks()
        self._lock = threading.Lock()
        self._thread: Optional[threading.Thread] = None
        self._stream: Any = None
        self._closing = threading.Event()
        self._usable = threading.Event()
        self._settled = threading.Event()
        # The first answer: a state, or the error with which the daemon refuses.
        self._begun = threading.Event()
        self._failure: Optional[ExpError] = None
        if self._run is None:
            self._usable.set()

    def begin(self) -> None:
        """Starts an identity that the program brings along, and waits until it may be named."""
        if self._run is None:
            return
        self.follow()
        if not self._begun.wait(ANSWER_TIMEOUT):
            raise NetworkError(
                f"the daemon at {self._transport.path} did not answer within {ANSWER_TIMEOUT:g} s; "
                "its log may tell why",
                fate="unknown",
            )
        if self._failure is not None:
            raise self._failure

    def follow(self) -> None:
        """Follows the link from now on."""
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._loop, name="expd-link", daemon=True)
                self._thread.start()

    def usable(self, timeout: float) -> None:
        """Waits until calls may name the identity: after the daemon has restarted, it has to be
        run again first."""
        if self._usable.is_set():
            return
        if not self._usable.wait(timeout) and self._failure is None:
            raise NetworkError(
                f"the daemon at {self._transport.path} is away, or has not taken this program's "
                f"identity again within {timeout:g} s"
            )
        if self._failure is not None:
            raise self._failure

    def settled(self, timeout: float) -> None:
        """Waits until the first login has succeeded or failed."""
        self.follow()
        self._settled.wait(timeout)

    def pause(self, seconds: float) -> None:
        """Waits a moment, for a link that is about to change."""
        self._closing.wait(seconds)

    def on(self, name: str, callback: Callable[..., Any]) -> None:
        """Registers a callback, which is called from the thread that follows the link."""
        holding = self._callbacks.add(name, callback)
        self.follow()
        if holding is not None:
            _call(callback, *holding)

    @property
    def is_connected(self) -> bool:
        """True while the identity's live connection to EXP is open."""
        if self._closing.is_set():
            return False
        self.follow()
        self._begun.wait(ANSWER_TIMEOUT)
        return self._states.is_connected

    def describe(self) -> str:
        """The present state, for an error message; empty where nothing follows it."""
        name = self._states.name()
        return f"the link to EXP is {name} {self._states.reason}".rstrip() if name else ""

    def close(self) -> None:
        """Ends the thread, and with it an identity that the program brought along."""
        self._closing.set()
        with self._lock:
            thread, stream = self._thread, self._stream
        if stream is not None:
            stream.cancel()
        if thread is not None and thread is not threading.current_thread():
            thread.join(ANSWER_TIMEOUT)

    def _loop(self) -> None:
        backoff = Backoff()
        while not self._closing.is_set():
            failure = self._follow_stream(backoff)
            if self._run is not None:
                self._usable.clear()
                self._settled.clear()
            self._emit(self._states.lost())
            if self._closing.is_set():
                break
            first = not self._begun.is_set()
            if self._run is not None and (first or not _failure.is_transient(failure)):
                # Refused at the start: `begin` raises it. Later, calls do.
                self._failure = failure
                self._begun.set()
                self._usable.set()
                self._settled.set()
                self._emit([] if first else [("error", failure)])
                return
            if not _failure.is_transient(failure):
                # Such as access rules that show no status: nothing follows the link then.
                self._begun.set()
                self._settled.set()
                self._emit([("error", failure)])
                return
            self._closing.wait(backoff.next(failure.retry_after))
        self._begun.set()
        self._settled.set()

    def _follow_stream(self, backoff: Backoff) -> ExpError:
        """Follows one stream to its end."""
        method: Method[Any, daemon_pb2.LinkEvent] = _methods.WATCH_STATUS
        request: Message = daemon_pb2.WatchStatusRequest()
        if self._run is not None:
            method, request = _methods.RUN_INSTANCE, self._run
        stream = self._transport.stream(method, request)
        with self._lock:
            self._stream = stream
        if self._closing.is_set():
            stream.cancel()
        try:
            for event in stream:
                backoff.succeeded()
                if self._run is None and event.instance != self._instance:
                    continue
                events = self._states.feed(event)
                self._usable.set()
                self._begun.set()
                if self._states.is_settled:
                    self._settled.set()
                self._emit(events)
        except grpc.RpcError as error:
            return self._transport.failure(error, method.name)
        return NetworkError("the daemon ended the stream")

    def _emit(self, events: "list[Event]") -> None:
        for name, argument in events:
            arguments = () if argument is None else (argument,)
            if name == "update":
                try:
                    arguments = (self._identity(),)
                except ExpError:
                    # The link broke again meanwhile; the next state tells it.
                    continue
            for callback in self._callbacks.note(name, *arguments):
                _call(callback, *arguments)


def _call(callback: Callable[..., Any], *arguments: Any) -> None:
    try:
        callback(*arguments)
    except Exception:
        report(callback)

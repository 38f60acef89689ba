"""A listener whose broadcasts are waited for.

A thread reads the stream ahead, opens it again when the daemon restarts, and stops reading when
`READ_AHEAD` events wait: the others then stay in the daemon.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

import grpc

from .. import _failure, _methods
from .._backoff import Backoff
from .._cursor import LARGE, READ_AHEAD, Cursor, Item
from .._events import Gap
from .._hearing import Hearing
from ..errors import ExpError, NetworkError
from ..v1 import network_pb2
from ._broadcast import Broadcast

if TYPE_CHECKING:
    from ._session import Session

#: Seconds for which a program takes nothing before the connection is watched in place of the
#: stream, whose end is not seen while it is not read.
_STALL = 0.5


class Listener(Hearing):
    """Hears the broadcasts of a channel. Made by :meth:`Channel.listen`."""

    def __init__(
        self,
        session: Session,
        cursor: Cursor,
        context: str,
        on_gap: Optional[Callable[[Gap], Any]],
        on_subscription: Optional[Callable[[bool], Any]],
    ) -> None:
        super().__init__(cursor, context, on_gap, on_subscription)
        self._session = session
        # Bounded by the thread, which reads nothing while READ_AHEAD items wait. ``None`` wakes
        # whoever waits, at the end.
        self._items: "queue.SimpleQueue[Optional[Item]]" = queue.SimpleQueue()
        self._stalled = False
        self._space = threading.Event()
        self._large = False
        self._lost = False
        self._confirmed = threading.Event()
        self._closing = threading.Event()
        self._last_failure: Optional[ExpError] = None
        self._backoff = Backoff()
        self._stream: Any = None
        self._thread = threading.Thread(target=self._loop, name="expd-listener", daemon=True)

    def begin(self, timeout: float) -> None:
        """Starts to listen, and waits until EXP has confirmed the subscription."""
        self._thread.start()
        try:
            confirmed = self._confirmed.wait(timeout)
        except BaseException:
            self.cancel()
            raise
        if self._failure is None and confirmed and not self._closing.is_set():
            return
        failure, last = self._failure, self._last_failure
        self.cancel()
        if failure is not None:
            raise failure
        why = last.message if last else self._session.link.describe()
        raise NetworkError(
            f"EXP did not confirm the subscription within {timeout:g} s" + (f": {why}" if why else "")
        )

    def wait(self, timeout: Optional[float] = 0) -> Optional[Broadcast]:
        """Returns the oldest broadcast that waits, or the next one that comes within ``timeout``
        seconds (``None``: without a limit); ``None`` where none came.

        After :meth:`cancel` none comes any more. Raises the daemon's error where it has ended the
        listener, and :class:`RuntimeError` after ``exp.stop()``.
        """
        self._session.transport.check_process()
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            item = self._take(until)
            step = self._step(item) if item is not None else self._dropped()
            if isinstance(step, network_pb2.Broadcast):
                return Broadcast(self._session, step)
            if step is not None:
                step()
            elif item is None:
                if self._failure is not None:
                    raise self._failure
                return None

    def cancel(self) -> None:
        """Ends the listener. What it had not handed out is dropped."""
        self._end(None)
        if self._thread is not threading.current_thread() and self._thread.ident is not None:
            self._thread.join(5)

    def __iter__(self) -> Iterator[Broadcast]:
        """Iterates over the broadcasts until the listener is cancelled."""
        while not self._closing.is_set():
            try:
                broadcast = self.wait(None)
            except ExpError:
                if self._is_at_end():
                    return
                raise
            if broadcast is not None:
                yield broadcast

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def stop(self) -> None:
        """Ends the listener together with its instance."""
        self._end(self._stopped())
        if self._thread is not threading.current_thread() and self._thread.ident is not None:
            self._thread.join(5)

    # For the program's threads.

    def _take(self, until: Optional[float]) -> Optional[Item]:
        item: Optional[Item] = None
        if self._held is not None:
            item, self._held = self._held, None
            return item
        if self._closing.is_set():
            if until is not None and self._failure is None:
                # As long as a listener that hears nothing, so that a loop does not spin.
                time.sleep(max(0.0, until - time.monotonic()))
            return None
        try:
            if until is None:
                item = self._items.get()
            else:
                left = until - time.monotonic()
                item = self._items.get(timeout=left) if left > 0 else self._items.get_nowait()
        except queue.Empty:
            return None
        if self._stalled and self._items.qsize() <= READ_AHEAD // 2:
            self._stalled = False
            self._space.set()
        if self._closing.is_set():
            if item is None:
                # For the next thread that waits.
                self._items.put(None)
            return None
        return item

    # For the thread that reads.

    def _loop(self) -> None:
        while not self._closing.is_set():
            failure = self._read_stream()
            if self._closing.is_set():
                break
            if not _failure.is_transient(failure) and not self._session.may_return(failure):
                self._end(failure)
                break
            self._last_failure = failure
            lost = self._cursor.lost()
            if lost is not None:
                self._items.put(lost)
            self._closing.wait(self._backoff.next(failure.retry_after))

    def _read_stream(self) -> ExpError:
        """Reads one stream to its end, and returns the error that ended it."""
        try:
            self._session.link.usable(1.0)
            request = self._cursor.opening()
            stream = self._session.transport.stream(_methods.LISTEN, request, self._receive)
        except ExpError as failure:
            return failure
        self._stream = stream
        self._lost = False
        if self._closing.is_set():
            stream.cancel()
        try:
            # The events arrive in `_receive`; this asks for the next one.
            for _ in stream:
                if self._is_full():
                    self._await_space()
        except grpc.RpcError as error:
            return self._session.transport.failure(error, _methods.LISTEN.name)
        return NetworkError("the daemon ended the stream")

    def _receive(self, data: bytes) -> network_pb2.ListenEvent:
        """Takes an event in as soon as gRPC has it."""
        event = network_pb2.ListenEvent.FromString(data)
        item = self._cursor.feed(event)
        self._backoff.succeeded()
        self._last_failure = None
        self._large = len(data) > LARGE
        if item is not None:
            self._items.put(item)
            if item.event is True:
                self._confirmed.set()
        return event

    def _is_full(self) -> bool:
        return self._items.qsize() >= (1 if self._large else READ_AHEAD)

    def _await_space(self) -> None:
        """Waits until the program has taken enough, or the connection is lost: the stream is then
        read to its end, and opened again."""
        if not self._has_space(_STALL):
            with self._session.transport.watching(self._note_loss):
                while not self._has_space(None):
                    pass

    def _has_space(self, timeout: Optional[float]) -> bool:
        self._space.clear()
        self._stalled = True
        if self._is_full() and not self._lost and not self._closing.is_set():
            self._space.wait(timeout)
        self._stalled = False
        return not self._is_full() or self._lost or self._closing.is_set()

    def _note_loss(self) -> None:
        self._lost = True
        self._space.set()

    def _end(self, failure: Optional[ExpError]) -> None:
        if self._closing.is_set():
            return
        self._failure = failure
        self._closing.set()
        self._session.forget(self)
        if self._stream is not None:
            self._stream.cancel()
        self._space.set()
        self._confirmed.set()
        self._items.put(None)

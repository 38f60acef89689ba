"""A listener whose broadcasts are awaited.

A task reads the stream ahead, opens it again when the daemon restarts, and stops reading when
`READ_AHEAD` events wait: the others then stay in the daemon.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Callable, Deque, Optional

import grpc.aio

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

_BROADCAST = network_pb2.Broadcast

#: Longest time in seconds between two events of a burst, or two groups of one.
_BURST_GAP = 0.001

#: Events of a burst that are handed over one by one. Those after them come in groups: in a long
#: burst, waking the program's task for each would cost half as much as reading them.
_BURST_START = 16
_GROUP = 8

#: Longest time in seconds for which an event waits for others of its group: the resolution of the
#: event loop's timers.
_GROUP_TIME = 0.001


class Listener(Hearing):
    """Hears the broadcasts of a channel. Made by :meth:`Channel.listen`; ``async for`` iterates
    over the broadcasts. ``on_gap`` and ``on_subscription`` may be coroutine functions."""

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
        # Bounded by the task, which reads nothing while READ_AHEAD items wait.
        self._items: Deque[Item] = deque()
        # Those who wait for an item, each of them once.
        self._waiters: "Deque[asyncio.Future[None]]" = deque()
        # The burst: the time of its last event, the number of its events, and the end of a group.
        self._burst_at = 0.0
        self._burst = 0
        self._group_end: Optional[asyncio.TimerHandle] = None
        self._stalled = False
        self._large = False
        self._space = asyncio.Event()
        self._confirmed = asyncio.Event()
        self._ended = asyncio.Event()
        self._last_failure: Optional[ExpError] = None
        self._task: "Optional[asyncio.Task[None]]" = None

    async def begin(self, timeout: float) -> None:
        """Starts to listen, and waits until EXP has confirmed the subscription."""
        self._task = asyncio.ensure_future(self._loop())
        try:
            await asyncio.wait_for(self._confirmed.wait(), timeout)
        except asyncio.TimeoutError:
            pass
        except BaseException:
            await self.cancel()
            raise
        if self._failure is None and self._confirmed.is_set() and not self._ended.is_set():
            return
        failure, last = self._failure, self._last_failure
        await self.cancel()
        if failure is not None:
            raise failure
        why = last.message if last else self._session.link.describe()
        raise NetworkError(
            f"EXP did not confirm the subscription within {timeout:g} s" + (f": {why}" if why else "")
        )

    async def wait(self, timeout: Optional[float] = 0) -> Optional[Broadcast]:
        """Returns the oldest broadcast that waits, or the next one that comes within ``timeout``
        seconds (``None``: without a limit); ``None`` where none came. Nothing is lost where it is
        cancelled.

        After :meth:`cancel` none comes any more. Raises the daemon's error where it has ended the
        listener, and :class:`RuntimeError` after ``exp.stop()``.
        """
        broadcast = self._take_now()
        if broadcast is not None:
            return broadcast
        until = None if timeout is None else asyncio.get_running_loop().time() + timeout
        while True:
            item = await self._take(until)
            step = self._step(item) if item is not None else self._dropped()
            if isinstance(step, network_pb2.Broadcast):
                return Broadcast(self._session, step)
            if step is not None:
                result = step()
                if inspect.isawaitable(result):
                    await result
            elif item is None:
                if self._failure is not None:
                    raise self._failure
                return None

    async def cancel(self) -> None:
        """Ends the listener. What it had not handed out is dropped."""
        self._end(None)
        await self._finish()

    async def stop(self) -> None:
        """Ends the listener together with its instance."""
        self._end(self._stopped())
        await self._finish()

    def __aiter__(self) -> Listener:
        """Iterates over the broadcasts until the listener is cancelled."""
        return self

    async def __anext__(self) -> Broadcast:
        broadcast = self._take_now()
        while broadcast is None:
            try:
                broadcast = await self.wait(None)
            except ExpError:
                if self._is_at_end():
                    raise StopAsyncIteration from None
                raise
            if broadcast is None and self._ended.is_set():
                raise StopAsyncIteration
        return broadcast

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cancel()

    # For the program's tasks.

    def _take_now(self) -> Optional[Broadcast]:
        """The oldest broadcast, where it is there and nothing is to be told before it."""
        if not self._items or self._held is not None or self._ended.is_set():
            return None
        item = self._items[0]
        event = item.event
        if not isinstance(event, _BROADCAST) or self._cursor.has_dropped:
            return None
        if item.expires <= time.monotonic():
            return None
        self._items.popleft()
        self._last = item
        if self._stalled and len(self._items) <= READ_AHEAD // 2:
            self._space.set()
        return Broadcast(self._session, event)

    async def _take(self, until: Optional[float]) -> Optional[Item]:
        if self._held is not None:
            item, self._held = self._held, None
            return item
        if not self._items or self._ended.is_set():
            await self._await_item(until)
            if not self._items or self._ended.is_set():
                return None
        if self._stalled and len(self._items) <= READ_AHEAD // 2:
            self._space.set()
        return self._items.popleft()

    async def _await_item(self, until: Optional[float]) -> None:
        """Waits until there is an item, or the listener ends, or it is time."""
        loop = asyncio.get_running_loop()
        if self._ended.is_set() and (until is None or self._failure is not None):
            return
        if until is not None and until <= loop.time():
            return
        # A listener that has ended waits as long as one that hears nothing: a loop must not spin.
        waiter = loop.create_future()
        self._waiters.append(waiter)
        timer = None if until is None else loop.call_at(until, _wake, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done():
                # The item that it was woken for is another's now.
                self._hand_over()
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    # For the task that reads.

    async def _loop(self) -> None:
        backoff = Backoff()
        while not self._ended.is_set():
            failure = await self._read_stream(backoff)
            if not _failure.is_transient(failure) and not self._session.may_return(failure):
                self._end(failure)
                break
            self._last_failure = failure
            lost = self._cursor.lost()
            if lost is not None:
                self._put(lost)
            await asyncio.sleep(backoff.next(failure.retry_after))

    async def _read_stream(self, backoff: Backoff) -> ExpError:
        """Reads one stream to its end, and returns the error that ended it."""
        try:
            await self._session.link.usable(1.0)
            request = self._cursor.opening()
            stream = self._session.transport.stream(_methods.LISTEN, request, bytes)
        except ExpError as failure:
            return failure
        stream.add_done_callback(lambda _: self._space.set())
        # Looked up once: each of these is needed for every event.
        parse, feed = network_pb2.ListenEvent.FromString, self._cursor.feed
        items, waiters = self._items, self._waiters
        try:
            async for data in stream:
                item = feed(parse(data))
                if self._last_failure is not None:
                    self._last_failure = None
                    backoff.succeeded()
                if item is None:
                    continue
                items.append(item)
                count = len(items)
                handed_over = (
                    bool(waiters)
                    and (self._group_end is None or count >= _GROUP)
                    and self._tell()
                )
                if item.event is True:
                    self._confirmed.set()
                self._large = len(data) > LARGE
                if count >= READ_AHEAD or self._large:
                    await self._await_space(stream)
                elif handed_over:
                    # The program runs first: to begin the next read takes a while.
                    await asyncio.sleep(0)
        except grpc.aio.AioRpcError as error:
            return await self._session.transport.failure(error, _methods.LISTEN.name)
        finally:
            stream.cancel()
        return NetworkError("the daemon ended the stream")

    def _put(self, item: Item) -> None:
        self._items.append(item)
        if self._waiters:
            self._tell()

    def _tell(self) -> bool:
        """Tells those who wait of an item: at once, or in a long burst when its group is whole.
        Returns true where it was at once."""
        now = time.monotonic()
        self._burst = self._burst + 1 if now - self._burst_at < _BURST_GAP else 0
        self._burst_at = now
        if self._burst < _BURST_START or len(self._items) >= _GROUP:
            self._hand_over()
            return True
        if self._group_end is None:
            loop = asyncio.get_running_loop()
            self._group_end = loop.call_later(_GROUP_TIME, self._hand_over)
        return False

    def _hand_over(self) -> None:
        """Wakes as many of those who wait as there are items."""
        if self._group_end is not None:
            self._group_end.cancel()
            self._group_end = None
        for _ in range(min(len(self._items), len(self._waiters))):
            _wake(self._waiters.popleft())

    def _is_full(self) -> bool:
        return len(self._items) >= (1 if self._large else READ_AHEAD)

    async def _await_space(self, stream: Any) -> None:
        """Waits until the program has taken enough, or the stream has ended."""
        while self._is_full() and not stream.done():
            self._space.clear()
            self._stalled = True
            await self._space.wait()
        self._stalled = False

    def _end(self, failure: Optional[ExpError]) -> None:
        if self._ended.is_set():
            return
        self._failure = failure
        self._ended.set()
        self._session.forget(self)
        if self._group_end is not None:
            self._group_end.cancel()
        while self._waiters:
            _wake(self._waiters.popleft())
        self._space.set()
        self._confirmed.set()

    async def _finish(self) -> None:
        task = self._task
        if task is None or task is asyncio.current_task() or task.done():
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)

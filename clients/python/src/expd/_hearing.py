"""A listener's way from an event to the program, without any transport."""

from __future__ import annotations

import logging
import time
from collections import deque
from functools import partial
from typing import Any, Callable, Deque, Optional, Union

from ._cursor import Cursor, Item
from ._events import Gap, Position
from .errors import ExpError, RuntimeError
from .v1 import network_pb2

_LOG = logging.getLogger("expd")

#: Number of past gaps that a listener remembers.
_GAPS = 64


#: Reason of the error of a listener whose instance was stopped.
STOPPED = "STOPPED"


#: The step after an event: a broadcast to hand to the program, a call to make, or nothing.
Step = Union[network_pb2.Broadcast, Callable[[], Any], None]


class Hearing:
    """The common part of the listeners of both APIs."""

    def __init__(
        self,
        cursor: Cursor,
        context: str,
        on_gap: Optional[Callable[[Gap], Any]],
        on_subscription: Optional[Callable[[bool], Any]],
    ) -> None:
        #: Called with each :class:`Gap`, from within ``wait`` and in order with the broadcasts.
        #: Where it is not set, a gap is logged as a warning.
        self.on_gap = on_gap
        #: Called likewise with true when EXP confirms the subscription, and with false when it no
        #: longer does.
        self.on_subscription = on_subscription
        #: The last 64 gaps, the newest at the end.
        self.gaps: Deque[Gap] = deque(maxlen=_GAPS)
        #: Number of broadcasts that were missed, as far as it is known.
        self.missed = 0
        #: The context of the ``Exp`` that made this listener; empty for none.
        self.context = context
        self._cursor = cursor
        # The last item that was dealt with.
        self._last: Optional[Item] = None
        # An item that waits for the gap before it to be told.
        self._held: Optional[Item] = None
        self._failure: Optional[ExpError] = None

    @property
    def position(self) -> Optional[Position]:
        """The place after the last event that ``wait`` dealt with; ``None`` before the first."""
        last = self._last
        return Position(last.log_id, last.sequence) if last is not None else None

    def _step(self, item: Item) -> Step:
        """The next thing to do for an item, or before it: the item is then held."""
        cursor = self._cursor
        if item.expires <= time.monotonic():
            cursor.drop(item)
            self._last = item
            return None
        if cursor.has_dropped:
            self._held = item
            return self._dropped()
        self._last = item
        event = item.event
        if isinstance(event, network_pb2.Broadcast):
            return event
        if isinstance(event, Gap):
            return self._gap(event)
        return partial(self.on_subscription, event) if self.on_subscription else None

    def _dropped(self) -> Step:
        """The gap of what was too old when the program came to it, if any."""
        gap = self._cursor.dropped()
        return self._gap(gap) if gap is not None else None

    def _gap(self, gap: Gap) -> Step:
        self.gaps.append(gap)
        self.missed += gap.missed
        return partial(self.on_gap or self._log_gap, gap)

    def _log_gap(self, gap: Gap) -> None:
        name = self._cursor.channel
        count = str(gap.missed) if gap.missed else "some"
        _LOG.warning("channel %r: %s broadcasts may be missing (%s)", name, count, gap.reason)

    def _stopped(self) -> RuntimeError:
        return RuntimeError("this instance of the SDK was stopped", reason=STOPPED)

    def _is_at_end(self) -> bool:
        """True where an iteration ends: the program has cancelled the listener, or stopped all."""
        return self._failure is None or self._failure.reason == STOPPED

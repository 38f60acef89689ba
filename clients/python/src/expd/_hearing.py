"""A listener's way from an event to the program, without any transport."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, Callable, Deque, NamedTuple, Optional

from ._cursor import Cursor, Item
from ._events import Gap, Position
from .errors import ExpError, RuntimeError
from .v1 import network_pb2

_LOG = logging.getLogger("expd")

#: Number of past gaps that a listener remembers.
_GAPS = 64


#: Reason of the error of a listener whose instance was stopped.
STOPPED = "STOPPED"


class Step(NamedTuple):
    """Something to do for an event."""

    #: To be called with `argument` first; ``None`` for nothing.
    call: Optional[Callable[[Any], Any]] = None
    argument: Any = None
    #: To be handed to the program; ``None`` for nothing.
    broadcast: Optional[network_pb2.Broadcast] = None


_NOTHING = Step()


class Hearing:
    """What the listeners of both APIs have in common."""

    def __init__(
        self,
        cursor: Cursor,
        context: str,
        on_gap: Optional[Callable[[Gap], Any]],
        on_subscription: Optional[Callable[[bool], Any]],
    ) -> None:
        #: Called with each :class:`Gap`, from within ``wait`` and in order with the broadcasts. Where
        #: it is not set, a gap is logged as a warning.
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
        self._position: Optional[Position] = None
        # An item that waits for the gap before it to be told.
        self._held: Optional[Item] = None
        self._failure: Optional[ExpError] = None

    @property
    def position(self) -> Optional[Position]:
        """The place after the last event that ``wait`` dealt with; ``None`` before the first."""
        return self._position

    def _step(self, item: Item) -> Step:
        """The next thing to do for an item, or before it: the item is then held."""
        if self._cursor.is_expired(item):
            self._position = Position(item.log_id, item.sequence)
            return _NOTHING
        if self._cursor.has_dropped:
            self._held = item
            return self._dropped()
        self._position = Position(item.log_id, item.sequence)
        event = item.event
        if isinstance(event, network_pb2.Broadcast):
            return Step(broadcast=event)
        if isinstance(event, Gap):
            return self._gap(event)
        return Step(self.on_subscription, event)

    def _dropped(self) -> Step:
        """The gap of what was too old when the program came to it, if any."""
        gap = self._cursor.dropped()
        return self._gap(gap) if gap is not None else _NOTHING

    def _gap(self, gap: Gap) -> Step:
        self.gaps.append(gap)
        self.missed += gap.missed
        return Step(self.on_gap or self._log_gap, gap)

    def _log_gap(self, gap: Gap) -> None:
        name = self._cursor.channel
        count = str(gap.missed) if gap.missed else "some"
        _LOG.warning("channel %r: %s broadcasts may be missing (%s)", name, count, gap.reason)

    def _stopped(self) -> RuntimeError:
        return RuntimeError("this instance of the SDK was stopped", reason=STOPPED)

    def _is_at_end(self) -> bool:
        """True where an iteration ends: the program has cancelled the listener, or stopped all."""
        return self._failure is None or self._failure.reason == STOPPED

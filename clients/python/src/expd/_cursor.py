"""A listener's place in its channel's log, without any transport.

It turns the events of one stream after another into what a program takes, remembers where to go on
after a break, and drops what has become too old in the read-ahead.
"""

from __future__ import annotations

from datetime import datetime, timezone
from time import monotonic, time
from typing import Optional, Union

from ._events import Gap, gap_from_wire
from ._wire import to_datetime
from .v1 import network_pb2

#: Number of events that a listener holds while the program does not take them. All others wait in
#: the daemon.
READ_AHEAD = 64

#: Size in bytes of an event before which the read-ahead is taken first.
LARGE = 1 << 16

_NEVER = float("inf")

_CONFIRMED = network_pb2.Subscription.CONFIRMED


class Item:
    """An event on its way to the program."""

    __slots__ = ("event", "expires", "log_id", "sequence")

    def __init__(
        self,
        event: Union[network_pb2.Broadcast, Gap, bool],
        sequence: int,
        log_id: str,
        expires: float,
    ) -> None:
        #: A broadcast, a gap, or the state of the subscription (true: confirmed).
        self.event = event
        self.sequence = sequence
        self.log_id = log_id
        #: Time of ``time.monotonic()`` after which it is too old.
        self.expires = expires


class Cursor:
    """The place that the stream has reached, and what it was opened with."""

    def __init__(self, request: network_pb2.ListenRequest, max_age: Optional[float]) -> None:
        self._request = request
        self._max_age = max_age
        #: The channel's name.
        self.channel = request.channel.name
        #: True while EXP confirms the subscription.
        self.confirmed = False
        self._log_id = request.resume.log_id
        self._after = request.resume.after
        # ID of the log that a new stream named in place of the one to resume. The place moves there
        # once that stream has told its gap: one that breaks in between must tell it again.
        self._new_log = ""
        #: True where `dropped` returns a gap.
        self.has_dropped = False
        self._dropped = 0
        self._dropped_from: Optional[datetime] = None
        self._dropped_to: Optional[datetime] = None

    def opening(self) -> network_pb2.ListenRequest:
        """The request of the next stream."""
        self._new_log = ""
        self.confirmed = False
        if self._log_id:
            self._request.resume.log_id = self._log_id
            self._request.resume.after = self._after
        return self._request

    def feed(self, event: network_pb2.ListenEvent) -> Optional[Item]:
        """Moves to an event of the stream; ``None`` for one that a program does not take."""
        if event.HasField("subscription"):
            return self._subscription(event.subscription, event.sequence)
        if self._new_log:
            self._log_id, self._new_log = self._new_log, ""
        self._after = sequence = event.sequence
        if event.HasField("broadcast"):
            broadcast = event.broadcast
            expires = _NEVER
            if self._max_age is not None:
                expires = monotonic() + self._max_age
                received = broadcast.received_at
                age = time() - received.seconds - received.nanos * 1e-9
                # A clock that was set meanwhile makes nothing younger than it is.
                if age > 0:
                    expires -= age
            return Item(broadcast, sequence, self._log_id, expires)
        if event.HasField("gap"):
            return Item(gap_from_wire(event.gap), sequence, self._log_id, _NEVER)
        # An event of a newer daemon. The place has moved, so that it does not come again.
        return None

    def _subscription(
        self, subscription: network_pb2.Subscription, sequence: int
    ) -> Optional[Item]:
        if not self._log_id:
            self._log_id = subscription.log_id
        if self._log_id == subscription.log_id:
            self._after = sequence
        else:
            self._new_log = subscription.log_id
        confirmed = subscription.state == _CONFIRMED
        if confirmed == self.confirmed:
            return None
        self.confirmed = confirmed
        return Item(confirmed, self._after, self._log_id, _NEVER)

    def lost(self) -> Optional[Item]:
        """The end of a stream; ``None`` where the subscription was not confirmed anyway."""
        if not self.confirmed:
            return None
        self.confirmed = False
        return Item(False, self._after, self._log_id, _NEVER)

    def drop(self, item: Item) -> None:
        """Counts a broadcast that is older than ``max_age`` for the next gap."""
        if isinstance(item.event, network_pb2.Broadcast):
            at = to_datetime(item.event.received_at)
            self.has_dropped = True
            self._dropped += 1
            self._dropped_from = self._dropped_from or at
            self._dropped_to = at

    def dropped(self) -> Optional[Gap]:
        """The gap of what was too old since the last call; ``None`` where nothing was."""
        if not self._dropped:
            return None
        now = datetime.now(timezone.utc)
        gap = Gap("expired", self._dropped, self._dropped_from, self._dropped_to or now)
        self.has_dropped, self._dropped = False, 0
        self._dropped_from = self._dropped_to = None
        return gap

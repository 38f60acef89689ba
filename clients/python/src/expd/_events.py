"""Events of a listener that are no broadcasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Optional

from ._wire import to_datetime
from .v1 import network_pb2


class Position(NamedTuple):
    """A place in a channel's log, at which a later listener can go on (``listen(resume=...)``)."""

    #: ID of the log.
    log_id: str
    #: Number of the last event that the program has processed.
    after: int


@dataclass(frozen=True)
class Gap:
    """A span in which a listener may have missed broadcasts."""

    #: ``offline`` (the channel was not subscribed for a while), ``overflow`` (the program was
    #: slower than the daemon's log is long), ``expired`` (broadcasts exceeded ``max_age``, or the
    #: log's) or ``restarted`` (the daemon was).
    reason: str
    #: Number of missed broadcasts; 0 where it cannot be known.
    missed: int
    #: Beginning of the span, in UTC; ``None`` where it is not known.
    from_time: Optional[datetime]
    #: End of the span, in UTC.
    to_time: Optional[datetime]


def gap_from_wire(gap: network_pb2.Gap) -> Gap:
    try:
        reason = network_pb2.Gap.Reason.Name(gap.reason).lower()
    except ValueError:
        # A newer daemon's reason. That something may be missing holds all the same.
        reason = f"reason-{gap.reason}"
    return Gap(
        reason=reason,
        missed=gap.missed,
        from_time=to_datetime(getattr(gap, "from")) if gap.HasField("from") else None,
        to_time=to_datetime(gap.to) if gap.HasField("to") else None,
    )

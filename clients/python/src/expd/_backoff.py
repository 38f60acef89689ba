"""Pauses between attempts to reach the daemon."""

from __future__ import annotations

import random
from typing import Optional

#: First pause in seconds, doubled at each failure: a daemon that restarts is back within a few.
FIRST = 0.1

#: Longest pause in seconds, also where the daemon's hint names a longer one: the hint speaks of
#: EXP, and the daemon itself may be back sooner.
LONGEST = 5.0


class Backoff:
    """Doubles the pause, and makes it random, so that programs do not come back in step."""

    def __init__(self) -> None:
        self._failures = 0

    def succeeded(self) -> None:
        self._failures = 0

    def next(self, hint: Optional[float] = None) -> float:
        """The next pause in seconds."""
        doubled = FIRST * 2 ** min(self._failures, 10)
        self._failures += 1
        longest = min(max(doubled, hint or 0.0), LONGEST)
        return random.uniform(longest / 2, longest)

"""EXP's SDK for Python 3, on top of expd.

    import expd

    exp = expd.start()
    channel = exp.get_channel("menu")
    print(channel.broadcast("hi", {"soup": "tomato"}, timeout=0.5))

The daemon keeps the connection to EXP; this package finds it on this host. `expd.aio` has the same
names for asyncio. All times are in seconds.
"""

from . import errors
from ._blocking._broadcast import Broadcast
from ._blocking._channel import Channel
from ._blocking._exp import Exp, clear, fork, start, stop
from ._blocking._listener import Listener
from ._blocking._resources import (
    Content,
    Data,
    Device,
    Experience,
    Feed,
    Location,
    Resource,
    Thing,
    Zone,
)
from ._events import Gap, Position
from ._results import Results
from .errors import (
    ApiError,
    AuthenticationError,
    ExpError,
    NetworkError,
    RuntimeError,
    UnexpectedError,
)

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AuthenticationError",
    "Broadcast",
    "Channel",
    "Content",
    "Data",
    "Device",
    "Exp",
    "ExpError",
    "Experience",
    "Feed",
    "Gap",
    "Listener",
    "Location",
    "NetworkError",
    "Position",
    "Resource",
    "Results",
    "RuntimeError",
    "Thing",
    "UnexpectedError",
    "Zone",
    "clear",
    "errors",
    "fork",
    "start",
    "stop",
]

"""The SDK for asyncio: the names of `expd`, as coroutines and asynchronous iterators.

    import expd.aio

    async with await expd.aio.start() as exp:
        listener = await exp.get_channel("menu").listen("hi")
        async for broadcast in listener:
            await broadcast.respond("on it")
"""

from .._events import Gap, Position
from .._results import Results
from ..errors import (
    ApiError,
    AuthenticationError,
    ExpError,
    NetworkError,
    RuntimeError,
    UnexpectedError,
)
from ._broadcast import Broadcast
from ._channel import Channel
from ._exp import Exp, clear, fork, start, stop
from ._listener import Listener
from ._resources import (
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
    "fork",
    "start",
    "stop",
]

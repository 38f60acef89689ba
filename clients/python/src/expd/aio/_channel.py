"""A channel, on which a program broadcasts and listens."""

from __future__ import annotations

from typing import Any, Callable, List, Optional

from .. import _methods
from .._cursor import Cursor
from .._events import Gap, Position
from .._wire import from_payload, to_duration, to_payload
from ..errors import RuntimeError
from ..v1 import network_pb2
from ._listener import Listener
from ._session import Session

# The daemon bounds a broadcast in time: `timeout`, 30 s for the answer to begin and 30 s for it to
# end, and a second more for each 32 KiB. This is for a daemon that stands still.
_ALLOWANCE = 70.0
_BYTES_A_SECOND = 32 << 10

# As long as the daemon lets a broadcast wait for the connection.
_WAITING = 60.0


class Channel:
    """A channel. Made by :meth:`Exp.get_channel`."""

    def __init__(
        self, session: Session, context: str, name: str, system: bool, consumer: bool
    ) -> None:
        if not isinstance(name, str):
            raise RuntimeError(f"a channel's name is a text, not {type(name).__name__}")
        self._session = session
        self._context = context
        self._channel = network_pb2.Channel(name=name, system=system, consumer=consumer)

    @property
    def name(self) -> str:
        """The channel's name."""
        return self._channel.name

    async def broadcast(
        self,
        name: str,
        payload: Any = None,
        timeout: float = 0.1,
        *,
        wait_for_connection: bool = False,
    ) -> List[Any]:
        """Broadcasts an event and returns the payloads of the responses.

        They are those that come within ``timeout`` seconds. Without a connection to EXP it is
        refused at once; with ``wait_for_connection`` it waits for it up to a minute, and is then
        sent once. An error's ``fate`` tells whether it was sent.
        """
        content = to_payload(payload)
        request = network_pb2.BroadcastRequest(
            instance=self._session.instance,
            channel=self._channel,
            name=name,
            payload=content,
            timeout=to_duration(timeout, "timeout"),
            wait_for_connection=wait_for_connection,
        )
        limit = timeout + _ALLOWANCE + len(content.json) / _BYTES_A_SECOND
        if wait_for_connection:
            limit += _WAITING
        answer = await self._session.call(_methods.BROADCAST, request, limit)
        return [from_payload(response) for response in answer.responses]

    async def listen(
        self,
        name: Optional[str] = None,
        timeout: float = 10,
        max_age: Optional[float] = 60,
        *,
        on_gap: Optional[Callable[[Gap], Any]] = None,
        on_subscription: Optional[Callable[[bool], Any]] = None,
        resume: Optional[Position] = None,
    ) -> Listener:
        """Returns a listener for the events of a name, or for all where there is no name, once EXP
        has confirmed it.

        Raises :class:`NetworkError` where that takes longer than ``timeout`` seconds. Broadcasts
        that wait longer than ``max_age`` seconds are dropped and told as a :class:`Gap`; ``None``
        leaves the limit to the daemon. ``resume`` goes on after the :attr:`Listener.position` of an
        earlier listener, in an earlier process as well.
        """
        self._session.check()
        request = network_pb2.ListenRequest(
            instance=self._session.instance,
            channel=self._channel,
            name=name or "",
            context=self._context,
        )
        if max_age is not None:
            request.options.max_age.CopyFrom(to_duration(max_age, "max_age"))
        to_duration(timeout, "timeout")
        if resume is not None:
            request.resume.log_id, request.resume.after = resume
        cursor = Cursor(request, None if max_age is None else float(max_age))
        listener = Listener(self._session, cursor, self._context, on_gap, on_subscription)
        self._session.remember(listener)
        await listener.begin(timeout)
        return listener

    async def fling(self, payload: Any, timeout: float = 0.1) -> List[Any]:
        """Broadcasts an event named ``fling``: the payload is the document of an app to launch."""
        return await self.broadcast("fling", payload, timeout)

    async def identify(self) -> List[Any]:
        """Broadcasts an event named ``identify``: devices show who they are."""
        return await self.broadcast("identify")

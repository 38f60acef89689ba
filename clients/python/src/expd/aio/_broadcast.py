"""A broadcast that was heard."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional

from .. import _methods
from .._wire import from_payload, to_datetime, to_payload
from ..v1 import network_pb2

if TYPE_CHECKING:
    from ._session import Session

#: Seconds for EXP's answer to a response.
_RESPOND_TIMEOUT = 70.0

_MISSING: Any = object()


class Broadcast:
    """A broadcast that a listener heard. Each listener has a copy of its own."""

    __slots__ = ("_event", "_payload", "_session")

    def __init__(self, session: Session, event: network_pb2.Broadcast) -> None:
        self._session = session
        self._event = event
        self._payload = _MISSING

    @property
    def name(self) -> str:
        """The event's name."""
        return self._event.name

    @property
    def payload(self) -> Any:
        """The sender's payload, as Python's own types."""
        if self._payload is _MISSING:
            self._payload = from_payload(self._event.payload)
        return self._payload

    @property
    def json(self) -> str:
        """The sender's payload as the JSON text that it was, with its digits and order of keys."""
        return self._event.payload.json or "null"

    @property
    def id(self) -> str:
        """The broadcast's ID."""
        return self._event.id

    @property
    def channel(self) -> str:
        """The channel's name."""
        return self._event.channel.name

    @property
    def received_at(self) -> Optional[datetime]:
        """The time at which the daemon received it, in UTC."""
        return to_datetime(self._event.received_at)

    async def respond(self, response: Any = None) -> None:
        """Responds with a JSON-serializable value.

        Raises :class:`ApiError` or :class:`RuntimeError` where the broadcaster no longer waits.
        """
        request = network_pb2.RespondRequest(
            instance=self._session.instance,
            broadcast_id=self._event.id,
            channel_id=self._event.channel_id,
            payload=to_payload(response),
        )
        await self._session.call(_methods.RESPOND, request, _RESPOND_TIMEOUT)

    def __repr__(self) -> str:
        return f"<Broadcast {self.name!r} on {self.channel!r}>"

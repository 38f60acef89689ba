"""States of a link to EXP as the SDK's events: ``update``, ``online``, ``offline``, ``error``."""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Dict, List, Optional, Tuple

from .errors import AuthenticationError, RuntimeError
from .v1 import daemon_pb2

_LOG = logging.getLogger("expd")

_State = daemon_pb2.LinkEvent

_NOT_CONNECTED = (_State.CONNECTING, _State.OFFLINE, _State.REFUSED)

NAMES = ("update", "online", "offline", "error")

#: The events that do not hold any more once another one has come.
_ENDS = {"update": ("error",), "online": ("error", "offline"), "offline": ("online",)}

#: An event's name, and its argument if it has one.
Event = Tuple[str, Any]


class States:
    """The present state of a link, and what changes of it are called."""

    def __init__(self, network: bool) -> None:
        #: False for an identity without a live connection: it never is online.
        self._network = network
        self._state: Optional[int] = None
        self.is_connected = False
        #: The daemon's words for the present state.
        self.reason = ""

    @property
    def is_settled(self) -> bool:
        """True once the first login has succeeded or failed."""
        return self._state not in (None, _State.CONNECTING)

    def name(self) -> str:
        """The present state in the contract's words; empty before the first."""
        if self._state is None:
            return ""
        try:
            return daemon_pb2.LinkEvent.State.Name(self._state)
        except ValueError:
            return str(self._state)

    def feed(self, event: daemon_pb2.LinkEvent) -> List[Event]:
        """The events that a change of the link causes. A state of a newer daemon causes none."""
        before, self._state = self._state, event.state
        self.reason = event.reason
        if event.state in (_State.ONLINE, _State.PAIRING):
            events: List[Event] = [("update", None)]
            if self._network and not self.is_connected:
                self.is_connected = True
                events.append(("online", None))
            return events
        events = self.lost() if event.state in _NOT_CONNECTED else []
        if event.state == _State.REFUSED and before != _State.REFUSED:
            error = AuthenticationError(event.reason or "EXP refuses the credentials")
            events.append(("error", error))
        return events

    def lost(self) -> List[Event]:
        """The events of a connection that has ended."""
        if not self.is_connected:
            return []
        self.is_connected = False
        return [("offline", None)]


class Callbacks:
    """The callbacks of a program, by event. Who registers late hears what holds already."""

    def __init__(self) -> None:
        self._callbacks: Dict[str, List[Callable[..., Any]]] = {name: [] for name in NAMES}
        self._holds: Dict[str, Tuple[Any, ...]] = {}
        # Between registering and noting, so that no callback hears an event twice.
        self._lock = threading.Lock()

    def add(self, name: str, callback: Callable[..., Any]) -> Optional[Tuple[Any, ...]]:
        """Registers a callback, and returns the arguments of its event where that holds already."""
        if name not in self._callbacks:
            raise RuntimeError(f"there is no event {name!r}; events are: {', '.join(NAMES)}")
        with self._lock:
            self._callbacks[name].append(callback)
            return self._holds.get(name)

    def note(self, name: str, *arguments: Any) -> List[Callable[..., Any]]:
        """Notes an event, and returns whom to call."""
        with self._lock:
            for ended in _ENDS.get(name, ()):
                self._holds.pop(ended, None)
            self._holds[name] = arguments
            return list(self._callbacks[name])


def report(callback: Callable[..., Any]) -> None:
    """Logs the exception of a program's callback, which must not end the thread that called it."""
    _LOG.exception("the callback %r failed", callback)

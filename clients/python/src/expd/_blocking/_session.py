# Made by scripts/generate from ../aio/_session.py: change that one.
"""State that an instance of the SDK and its clones share: connection, identity, listeners."""

from __future__ import annotations

import time
from typing import Any, Dict, Mapping, Optional, Set, TypeVar

from google.protobuf.message import Message

from .. import _methods
from .._answers import identity_of, query_of, value_of
from .._failure import UNREACHABLE
from .._methods import Method
from .._options import Options
from .._wire import to_payload
from ..errors import ExpError, NetworkError, RuntimeError
from ..v1 import api_pb2
from ._link import Link
from ._listener import Listener
from ._transport import ANSWER_TIMEOUT, Transport

Answer = TypeVar("Answer", bound=Message)

#: Seconds for an answer of EXP's API.
_API_TIMEOUT = 120.0

#: Seconds for which a call waits until a restarted daemon has taken the program's identity again.
_RETURN_TIMEOUT = 5.0

_RETURN_PAUSE = 0.05

#: The sessions of this process, for `stop` and `clear`.
sessions: "Set[Session]" = set()


class Session:
    """A started identity."""

    def __init__(self, options: Options) -> None:
        #: The name that calls give as their instance; empty for the default one.
        self.instance = options.instance
        self.transport = Transport(options.socket)
        self.link = Link(self.transport, options, self._identity_now)
        self._own = options.run is not None
        self._stopped = False
        self._listeners: Set[Listener] = set()

    def begin(self) -> None:
        """Connects, and makes sure that the identity is there."""
        sessions.difference_update([it for it in sessions if it.transport.is_gone])
        sessions.add(self)
        try:
            if self._own:
                self.link.begin()
            else:
                self._check_instance()
        except BaseException:
            self.stop()
            raise

    def _check_instance(self) -> None:
        request = api_pb2.GetIdentityRequest(instance=self.instance)
        try:
            self.transport.call(_methods.GET_IDENTITY, request, ANSWER_TIMEOUT)
        except ExpError as error:
            # The daemon may not have logged in yet, and access rules may leave calls but this one.
            reached = error.reason != UNREACHABLE
            if not reached or error.status not in ("UNAVAILABLE", "PERMISSION_DENIED"):
                raise

    def check(self) -> None:
        """Refuses calls after `stop`."""
        if self._stopped:
            raise RuntimeError("this instance of the SDK was stopped: call start() for another one")

    def call(self, method: Method[Any, Answer], request: Any, timeout: float) -> Answer:
        """Makes a call in the name of the identity."""
        if self._stopped:
            self.check()
        if not self._own:
            return self.transport.call(method, request, timeout)
        until = time.monotonic() + _RETURN_TIMEOUT
        while True:
            self.link.usable(_RETURN_TIMEOUT)
            try:
                return self.transport.call(method, request, timeout)
            except RuntimeError as error:
                # The daemon was restarted, and the link has not noticed yet. Nothing was sent.
                if not self.may_return(error) or time.monotonic() > until:
                    raise
            self.link.pause(_RETURN_PAUSE)

    def request(
        self,
        method: str,
        path: str,
        params: Optional[Mapping[str, Any]] = None,
        body: Any = None,
        has_body: bool = False,
    ) -> Any:
        """Sends a request to EXP's API, and returns the value of its answer."""
        request = api_pb2.ApiRequest(
            instance=self.instance, method=method, path=path, query=query_of(params)
        )
        if has_body:
            request.body.CopyFrom(to_payload(body))
        answer = self.call(_methods.REQUEST, request, _API_TIMEOUT)
        return value_of(answer, method, path)

    def identity(self) -> Dict[str, Any]:
        """The identity, as the authentication payload has it."""
        request = api_pb2.GetIdentityRequest(instance=self.instance)
        try:
            answer = self.call(_methods.GET_IDENTITY, request, ANSWER_TIMEOUT)
        except NetworkError:
            # The first login may be under way.
            self.link.settled(ANSWER_TIMEOUT)
            answer = self.call(_methods.GET_IDENTITY, request, ANSWER_TIMEOUT)
        return identity_of(answer)

    def _identity_now(self) -> Dict[str, Any]:
        """The same for the link itself, which must not wait for its own changes."""
        request = api_pb2.GetIdentityRequest(instance=self.instance)
        answer = self.transport.call(_methods.GET_IDENTITY, request, ANSWER_TIMEOUT)
        return identity_of(answer)

    def content_url(self, path: str, variant: str) -> str:
        """A URL that loads content by itself."""
        request = api_pb2.GetContentUrlRequest(instance=self.instance, path=path, variant=variant)
        answer = self.call(_methods.GET_CONTENT_URL, request, ANSWER_TIMEOUT)
        return answer.url

    def may_return(self, failure: ExpError) -> bool:
        """True for the error of an identity that a restarted daemon has yet to take again."""
        missing = isinstance(failure, RuntimeError) and failure.status == "NOT_FOUND"
        return self._own and missing and not self._stopped

    def remember(self, listener: Listener) -> None:
        self._listeners.add(listener)

    def forget(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def clear(self, context: str) -> None:
        """Cancels the listeners of a context."""
        for listener in list(self._listeners):
            if listener.context == context:
                listener.cancel()

    def stop(self) -> None:
        """Ends everything."""
        if self._stopped:
            return
        self._stopped = True
        for listener in list(self._listeners):
            listener.stop()
        self.link.close()
        self.transport.close()
        sessions.discard(self)

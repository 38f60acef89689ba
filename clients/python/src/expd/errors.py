"""Errors, by the names of EXP's SDK. Each tells what became of the call."""

from __future__ import annotations

import builtins
from typing import Any, Optional


class ExpError(Exception):
    """Base of all errors of this package."""

    def __init__(
        self,
        message: str,
        *,
        fate: str = "refused",
        reason: str = "",
        status: str = "",
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        #: A sentence for people: the fault and the remedy.
        self.message = message
        #: Outcome of the call: ``refused`` (not carried out, calling again is safe), ``sent``
        #: (carried out, but its answer could not be read) or ``unknown`` (may have been carried
        #: out: the program decides).
        self.fate = fate
        #: The daemon's word for the reason (``OFFLINE``, ``STOPPING``, ...), or empty.
        self.reason = reason
        #: The gRPC status (``UNAVAILABLE``, ...); empty where no call was made.
        self.status = status
        #: Seconds after which another try makes sense, where the daemon knows.
        self.retry_after = retry_after


class RuntimeError(ExpError, builtins.RuntimeError):
    """The call is wrong, or not allowed here: the program or the settings need a change."""


class NetworkError(ExpError):
    """The daemon or EXP cannot be reached, or did not answer in time."""


class AuthenticationError(ExpError):
    """EXP refuses the credentials."""


class ApiError(ExpError):
    """EXP's own error for a call that it refused."""

    def __init__(
        self,
        message: str,
        code: str = "",
        payload: Any = None,
        *,
        http_status: int = 0,
        fate: str = "refused",
        status: str = "",
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message, fate=fate, reason=code, status=status, retry_after=retry_after)
        #: EXP's short name of the error; empty where it gave none.
        self.code = code
        #: The body of EXP's answer; ``None`` where there was none.
        self.payload = payload
        #: The HTTP status; 0 where it is not known.
        self.http_status = http_status


class UnexpectedError(ExpError):
    """A fault of expd, or an answer that this version of the package does not understand."""

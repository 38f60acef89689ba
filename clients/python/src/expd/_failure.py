"""The one place where a gRPC status becomes an error of this package."""

from __future__ import annotations

from typing import Any, Optional

import grpc
from google.protobuf.message import DecodeError

from . import _socket
from ._details_pb2 import ErrorInfo, RetryInfo, StatusDetails
from .errors import (
    ApiError,
    AuthenticationError,
    ExpError,
    NetworkError,
    RuntimeError,
    UnexpectedError,
)

_Code = grpc.StatusCode

# gRPC's words for a call that never left, which no code of its own tells.
_NEVER_LEFT = "failed to connect to all addresses"

#: Reason of the error where no daemon answers at the socket.
UNREACHABLE = "UNREACHABLE"

# Codes after which the call may have been carried out, where the daemon says nothing of its fate.
_UNKNOWN_FATE = (
    _Code.CANCELLED,
    _Code.DEADLINE_EXCEEDED,
    _Code.INTERNAL,
    _Code.UNAVAILABLE,
    _Code.UNKNOWN,
)

_KINDS = {
    _Code.UNAVAILABLE: NetworkError,
    _Code.UNKNOWN: NetworkError,
    _Code.DEADLINE_EXCEEDED: NetworkError,
    _Code.CANCELLED: NetworkError,
    _Code.UNAUTHENTICATED: AuthenticationError,
    _Code.INVALID_ARGUMENT: RuntimeError,
    _Code.PERMISSION_DENIED: RuntimeError,
    _Code.NOT_FOUND: RuntimeError,
    _Code.FAILED_PRECONDITION: RuntimeError,
    _Code.ALREADY_EXISTS: RuntimeError,
    _Code.RESOURCE_EXHAUSTED: RuntimeError,
}


def from_rpc(error: Any, path: str) -> ExpError:
    """The error of a failed call; ``path`` is the daemon's socket."""
    code: grpc.StatusCode = error.code()
    message = error.details() or code.name
    info, retry_after = _details(error)
    fate = info.metadata.get("fate", "") if info else ""
    if not fate:
        fate = "unknown" if code in _UNKNOWN_FATE else "refused"
    if info is None and code is _Code.UNAVAILABLE:
        if _NEVER_LEFT in message:
            return NetworkError(
                _socket.explain_unreachable(path, message), reason=UNREACHABLE, status=code.name
            )
        if _is_local(error):
            message = (
                f"the connection to the daemon at {path} broke ({message}); the call may have been "
                "carried out"
            )
    status = code.name
    if info is not None and "message" in info.metadata and code is not _Code.UNAUTHENTICATED:
        return ApiError(
            message,
            info.reason,
            {"code": info.reason, "message": info.metadata["message"]},
            http_status=_number(info.metadata.get("status", "")),
            fate=fate,
            status=status,
            retry_after=retry_after,
        )
    kind = _KINDS.get(code, UnexpectedError)
    reason = info.reason if info else ""
    return kind(message, fate=fate, reason=reason, status=status, retry_after=retry_after)


def unknown_call(name: str, version: str) -> ExpError:
    """The error of a call that the daemon does not have."""
    which = f"this daemon ({version})" if version else "this daemon"
    return RuntimeError(
        f"{which} does not know {name}; update expd on this host, or do without what needs it",
        status=_Code.UNIMPLEMENTED.name,
        reason="UNKNOWN_CALL",
    )


def is_transient(error: ExpError) -> bool:
    """True where a stream is opened again: the daemon is away, and may come back."""
    return isinstance(error, NetworkError) and error.status in ("UNAVAILABLE", "")


def _is_local(error: Any) -> bool:
    """True for a status that gRPC made on this side: the daemon sends a server's metadata."""
    return not error.initial_metadata() and not error.trailing_metadata()


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _details(error: Any) -> "tuple[Optional[ErrorInfo], Optional[float]]":
    """EXP's or the daemon's reason, and the pause that the daemon advises."""
    info: Optional[ErrorInfo] = None
    retry_after: Optional[float] = None
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        try:
            for detail in StatusDetails.FromString(value).details:
                if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                    info = ErrorInfo.FromString(detail.value)
                elif detail.type_url.endswith("/google.rpc.RetryInfo"):
                    delay = RetryInfo.FromString(detail.value).retry_delay
                    retry_after = delay.seconds + delay.nanos / 1e9
        except DecodeError:
            # Details only add to the status, which stands by itself.
            continue
    return info, retry_after

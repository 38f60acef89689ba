"""Values of Python, as the contract carries them."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any, Optional

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from .errors import RuntimeError
from .v1 import network_pb2

_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

# The daemon's JSON is one value without white space around it, which `json.loads` would look for.
_DECODE = json.JSONDecoder().raw_decode


def to_payload(value: Any) -> network_pb2.Payload:
    """The payload of a JSON-serializable value."""
    try:
        return network_pb2.Payload(json=_ENCODE(value))
    except (TypeError, ValueError, RecursionError) as error:
        # Among the ValueErrors are NaN, loops, and half a surrogate pair.
        raise RuntimeError(f"the payload cannot be sent as JSON: {error}") from error


def from_payload(payload: network_pb2.Payload) -> Any:
    """The value of a payload, which the daemon gives as JSON text."""
    text = payload.json
    return _DECODE(text)[0] if text else None


def to_duration(seconds: Any, name: str) -> Duration:
    """A length of time in seconds; ``name`` is that of the parameter."""
    try:
        value = float(seconds)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value < 1e9:
        raise RuntimeError(f"{name} is a number of seconds from 0 on, not {seconds!r}")
    whole = int(value)
    return Duration(seconds=whole, nanos=int((value - whole) * 1e9))


def to_datetime(time: Timestamp) -> Optional[datetime]:
    """A point in time in UTC; ``None`` for one that Python cannot represent."""
    try:
        whole = datetime.fromtimestamp(time.seconds, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None
    return whole.replace(microsecond=time.nanos // 1000)

"""Options of ``start``, checked before anything is sent."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import Any, Optional

from .errors import RuntimeError
from .v1 import daemon_pb2

_FORMS = (
    "give `username`, `password` and `organization`, or `uuid` and `secret`, or `uuid` and "
    "`api_key`, or `allow_pairing=True`, or none of them for the daemon's own identity"
)


@dataclass(frozen=True)
class Options:
    """Checked options."""

    #: The daemon's socket; ``None`` for the default one.
    socket: Optional[str]
    #: The configured instance; empty for the default one.
    instance: str
    #: False for an identity without a live connection.
    network: bool
    #: The identity that the program brings along.
    run: Optional[daemon_pb2.RunInstanceRequest]


def check(
    *,
    instance: Optional[str] = None,
    username: Optional[str] = None,
    password: Optional[str] = None,
    organization: Optional[str] = None,
    uuid: Optional[str] = None,
    secret: Optional[str] = None,
    api_key: Optional[str] = None,
    allow_pairing: bool = False,
    host: Optional[str] = None,
    enable_network: bool = True,
    socket: Optional[str] = None,
    auth: Any = None,
) -> Options:
    """Refuses options that are wrong, or do not go together."""
    if auth is not None:
        raise RuntimeError(
            "auth= cannot be taken: expd logs in by itself and refreshes its tokens, and a payload of "
            "another login holds none that it could renew; " + _FORMS
        )
    texts = {
        "instance": instance,
        "username": username,
        "password": password,
        "organization": organization,
        "uuid": uuid,
        "secret": secret,
        "api_key": api_key,
        "host": host,
        "socket": socket,
    }
    for name, value in texts.items():
        if value is not None and (not isinstance(value, str) or not value):
            raise RuntimeError(f"{name}= is a text that is not empty, not {type(value).__name__}")
    given = {name for name, value in texts.items() if value is not None}
    given -= {"instance", "host", "socket"}
    credentials = daemon_pb2.Credentials()
    if allow_pairing and given <= {"uuid", "secret"} or given == {"uuid", "secret"}:
        credentials.device.uuid = uuid or ""
        credentials.device.secret = secret or ""
        credentials.device.allow_pairing = bool(allow_pairing)
    elif given == {"username", "password", "organization"} and not allow_pairing:
        credentials.user.username = username or ""
        credentials.user.password = password or ""
        credentials.user.organization = organization or ""
    elif given == {"uuid", "api_key"} and not allow_pairing:
        credentials.consumer_app.uuid = uuid or ""
        credentials.consumer_app.api_key = api_key or ""
    elif given or allow_pairing:
        names = sorted(given) + (["allow_pairing"] if allow_pairing else [])
        raise RuntimeError(f"{', '.join(names)} do not make an identity: {_FORMS}")
    else:
        if host is not None or not enable_network:
            raise RuntimeError(
                "host= and enable_network= belong to an identity that the program brings along; those "
                "of the daemon's own identities are in its settings"
            )
        return Options(socket, instance or "", True, None)
    if instance is not None:
        raise RuntimeError("instance= names an identity of the daemon: credentials do not go with it")
    name = f"python-{os.getpid()}-{secrets.token_hex(8)}"
    run = daemon_pb2.RunInstanceRequest(
        name=name, host=host or "", credentials=credentials, network=bool(enable_network)
    )
    return Options(socket, name, bool(enable_network), run)

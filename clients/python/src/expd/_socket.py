"""Location of the daemon's socket, by the rules of the command line."""

from __future__ import annotations

import os
import re
import socket
import stat
from pathlib import Path
from typing import Mapping, Optional, Tuple

from .errors import RuntimeError

SYSTEM_SOCKET = "/run/expd/expd.sock"
SOCKET_NAME = "expd.sock"

#: Beginning of an address that is no path.
SCHEME = "http://"

_START = "start a daemon with `expd serve`, or name its socket with socket= or EXPD_SOCKET"


def find(named: Optional[str] = None) -> str:
    """The socket's path: ``named``, else ``EXPD_SOCKET``, else the system's, else this user's."""
    named = named or os.environ.get("EXPD_SOCKET")
    if named:
        return os.fspath(named)
    uid = os.geteuid()
    if uid == 0 or os.path.exists(SYSTEM_SOCKET):
        return SYSTEM_SOCKET
    folder = private_folder(uid, os.environ)
    _check_private(folder, uid)
    return str(folder / SOCKET_NAME)


def target(address: str) -> str:
    """The address as gRPC takes it: a socket's path, or ``http://127.0.0.1:9100`` for TCP."""
    if not address.startswith(SCHEME):
        return "unix:" + address
    place = address[len(SCHEME) :].rstrip("/")
    host, _, port = place.rpartition(":")
    if not port.isdigit() or not (
        host in ("localhost", "[::1]") or re.fullmatch(r"127(\.\d{1,3}){3}", host)
    ):
        raise RuntimeError(
            f"{address} is not a loopback address, and the token is sent to no other; "
            "write it as in http://127.0.0.1:9100"
        )
    return place


def metadata(address: str) -> Optional[Tuple[Tuple[str, str], ...]]:
    """The metadata of calls: over TCP the token of ``EXPD_TOKEN_FILE``, else ``EXPD_TOKEN``."""
    if not address.startswith(SCHEME):
        return None
    token = os.environ.get("EXPD_TOKEN") or ""
    path = os.environ.get("EXPD_TOKEN_FILE")
    if path:
        try:
            token = Path(path).read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise RuntimeError(
                f"cannot read the token in {path} (EXPD_TOKEN_FILE): {error}; let this user read it, "
                "or correct the path"
            ) from error
    return (("authorization", "Bearer " + token),) if token else None


def private_folder(uid: int, environment: Mapping[str, str]) -> Path:
    """The folder of the user's own socket."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "expd" if runtime else Path(f"/tmp/expd-{uid}")


def _check_private(folder: Path, uid: int) -> None:
    """Refuses a folder in which another user could pose as the daemon. A missing one passes."""
    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        fault = "it is not a folder"
    elif found.st_uid != uid:
        fault = "it belongs to another user"
    elif found.st_mode & 0o077:
        fault = "other users may enter it"
    else:
        return
    raise RuntimeError(
        f"the socket's folder {folder} is not safe: {fault}; correct its owner and mode, remove it, "
        "or choose another socket"
    )


def explain_unreachable(path: str, otherwise: str) -> str:
    """The reason why nothing answers at a socket, with the remedy."""
    if path.startswith(SCHEME):
        return f"no daemon answers at {path}: {otherwise}; is it the address of daemon.listen?"
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.settimeout(1)
        probe.connect(path)
    except FileNotFoundError:
        return f"no daemon answers at {path}: there is no socket; {_START}"
    except ConnectionRefusedError:
        return f"no daemon answers at {path}: nobody listens on it; {_START}"
    except PermissionError:
        return (
            f"no daemon answers at {path}: this user (uid {os.geteuid()}) may not open it; join the "
            "group that owns the socket (the setting daemon.socket_group), or run this as its owner"
        )
    except OSError as error:
        return f"no daemon answers at {path}: {error}; {_START}"
    finally:
        probe.close()
    return f"no daemon answered at {path}: {otherwise}; the call may be repeated"

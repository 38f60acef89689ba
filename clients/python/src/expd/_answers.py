"""Answers of EXP's API, and what they mean."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional
from urllib.parse import quote

from .errors import ApiError, AuthenticationError, RuntimeError, UnexpectedError
from .v1 import api_pb2


def path_of(collection: str, *parts: str) -> str:
    """The path of a resource; its parts may be any text."""
    return "/".join([collection, *(quote(part, safe="") for part in parts)])


def query_of(params: Optional[Mapping[str, Any]]) -> Dict[str, str]:
    """Query parameters as texts: true and false as in JSON, ``None`` left out."""
    query = {}
    for name, value in (params or {}).items():
        if value is None:
            continue
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif not isinstance(value, (str, int, float)):
            raise RuntimeError(f"the parameter {name} is a text or a number, not {value!r}")
        query[name] = str(value)
    return query


def value_of(answer: api_pb2.ApiResponse, method: str, path: str) -> Any:
    """The value of an answer: of its JSON, its bytes where it is something else, or ``None``."""
    if answer.HasField("body"):
        value = json.loads(answer.body.json)
    else:
        value = answer.raw or None
    if answer.status < 400:
        return value
    told = value if isinstance(value, dict) else {}
    code, message = str(told.get("code") or ""), str(told.get("message") or "")
    text = f"EXP answered {answer.status} to {method} {path}"
    if code or message:
        text += ": " + " ".join(part for part in (message, f"[{code}]" if code else "") if part)
    if answer.status == 401:
        raise AuthenticationError(text, reason=code)
    raise ApiError(text, code, value, http_status=answer.status)


def is_missing(error: ApiError) -> bool:
    """True for the error of a resource that is not there."""
    return error.http_status == 404


def identity_of(answer: api_pb2.Identity) -> Dict[str, Any]:
    """The authentication payload, without its tokens, which stay in the daemon."""
    identity: Dict[str, Any] = json.loads(answer.rest) if answer.rest else {}
    fields = {
        "type": answer.type,
        "uuid": answer.uuid,
        "organization": answer.organization,
        "username": answer.username,
        "role": answer.role,
        "pairingCode": answer.pairing_code,
    }
    identity.update((name, value) for name, value in fields.items() if value)
    if not answer.paired:
        identity["isPairing"] = True
    auth: Dict[str, Any] = {"identity": identity}
    if answer.HasField("expires_at"):
        at = answer.expires_at
        auth["expiration"] = at.seconds * 1000 + at.nanos // 1_000_000
    return auth


def document_of(value: Any, what: str) -> Dict[str, Any]:
    """A resource's document."""
    if not isinstance(value, dict):
        raise UnexpectedError(f"EXP answered {what} with {type(value).__name__}, not an object")
    return value


def results_of(value: Any, what: str) -> "tuple[List[Dict[str, Any]], int]":
    """The documents that a search found, and the number of all that there are."""
    found = document_of(value, what)
    results = found.get("results")
    if not isinstance(results, list):
        raise UnexpectedError(f"EXP answered {what} without a list of results")
    total = found.get("total")
    documents = [document_of(document, what) for document in results]
    return documents, total if isinstance(total, int) else len(documents)


def member(document: Mapping[str, Any], *names: str) -> Any:
    """A member of a document's member, ...; ``None`` where any of them is not there."""
    value: Any = document
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(document: Mapping[str, Any], *names: str) -> str:
    """A member that is a text; empty where it is none."""
    value = member(document, *names)
    return value if isinstance(value, str) else ""


def objects(document: Mapping[str, Any], *names: str) -> List[Dict[str, Any]]:
    """A member that is a list of objects; empty where it is none."""
    value = member(document, *names)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []

"""Detection of ``os.fork()``, which leaves a child with locks and connections of the parent."""

from __future__ import annotations

import os

from .errors import RuntimeError

#: Number of forks between the process that imported the package and this one.
generation = 0

# True once this process, or a parent before it forked, has opened a connection.
_opened = False
_inherited = False


def _after_in_child() -> None:
    global generation, _inherited
    generation += 1
    _inherited = _opened


os.register_at_fork(after_in_child=_after_in_child)


def opening() -> int:
    """Notes that a connection is opened, and returns the present generation."""
    global _opened
    if _inherited:
        raise RuntimeError(
            "expd was already started when this process was forked, and gRPC does not survive that; "
            "call expd.start() in the child alone, or start the child with the method `spawn` or "
            "`forkserver`"
        )
    _opened = True
    return generation


def check(made_in: int) -> None:
    """Refuses what was made before this process was forked."""
    if made_in != generation:
        raise RuntimeError(
            "this object belongs to the parent process: os.fork() does not carry a connection over; "
            "start the child with the method `spawn` or `forkserver`, and call expd.start() in it"
        )

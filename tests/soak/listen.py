#!/usr/bin/env python3
"""The Python program of the soak: hears a channel with the library, and says what it heard.

    tests/soak/listen.py SOCKET CHANNEL [LOG_ID AFTER]

One JSON document a line: `{"ready": true}` at each confirmed subscription, `{"heard": PAYLOAD,
"position": {"logId", "after"}}` for a broadcast, `{"gap": {"reason", "missed", "from", "to"}}` for
a gap. The position of an earlier run lets it go on there. An empty SOCKET is the default one.
SIGTERM ends it, with status 0.
"""

import json
import signal
import sys
import time

# From the first moment on, also while the library is still being loaded.
signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))

import expd  # noqa: E402


def say(document):
    print(json.dumps(document), flush=True)


def on_gap(gap):
    span = {"from": gap.from_time, "to": gap.to_time}
    times = {name: at and at.isoformat() for name, at in span.items()}
    say({"gap": {"reason": gap.reason, "missed": gap.missed, **times}})


def on_subscription(confirmed):
    if confirmed:
        say({"ready": True})


def start(socket):
    """The daemon may be restarting at this moment."""
    while True:
        try:
            return expd.start(socket=socket or None)
        except expd.NetworkError as error:
            print(error, file=sys.stderr)
            time.sleep(0.1)


def listen(channel, resume):
    while True:
        try:
            return channel.listen(resume=resume, on_gap=on_gap, on_subscription=on_subscription)
        except expd.NetworkError as error:
            print(error, file=sys.stderr)


socket, name, *position = sys.argv[1:]
exp = start(socket)
listener = listen(exp.get_channel(name), (position[0], int(position[1])) if position else None)
for broadcast in listener:
    log_id, after = listener.position
    say({"heard": broadcast.payload, "position": {"logId": log_id, "after": after}})

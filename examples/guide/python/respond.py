"""Responds to every `hello`, until Ctrl-C.

    python respond.py
"""

import expd

exp = expd.start()
listener = exp.get_channel("my_channel").listen(name="my_event")
print("listening", flush=True)

try:
    for broadcast in listener:
        if broadcast.payload == "hello":
            broadcast.respond("Nice to meet you!")
            print("responded", flush=True)
except KeyboardInterrupt:
    expd.stop()

"""Waits for one broadcast, then cancels its listener.

    python listen.py
"""

import expd

exp = expd.start()
channel = exp.get_channel("my_channel")
listener = channel.listen("my_event")
print("listening", flush=True)

while True:
    # None where nothing came within five seconds.
    broadcast = listener.wait(5)
    if broadcast:
        print("message received:", broadcast.payload)
        listener.cancel()
        break

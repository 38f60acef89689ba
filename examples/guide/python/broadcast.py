"""Broadcasts an event, and prints what is responded within a second. Run listen.py or respond.py
beside it.

    python broadcast.py
"""

import expd

exp = expd.start()
channel = exp.get_channel("my_channel")
responses = channel.broadcast(name="my_event", payload="hello", timeout=1)
for response in responses:
    print("response:", response)

"""The flags of a channel make it another channel.

    python channels.py
"""

import expd

exp = expd.start()
plain = exp.get_channel("my_channel", system=False, consumer=False)
consumer = exp.get_channel("my_channel", consumer=True)
system = exp.get_channel("my_channel", system=True)

listener = plain.listen("my_event")
consumer.broadcast("my_event", "for the apps of consumers")
plain.broadcast("my_event", "for devices and users")
print(listener.wait(5).payload)

# Only EXP itself broadcasts on the system side.
try:
    system.broadcast("my_event")
except expd.RuntimeError as error:
    print("refused:", error)

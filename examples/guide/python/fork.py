"""Two instances of the SDK with identities of their own.

    python fork.py
"""

import expd

exp = expd.start()
new_device = exp.create_device({"name": "second"})

# Not started yet; its options are its own.
second = exp.fork()
second.start(uuid=new_device.uuid, secret=new_device.document["secret"])

listener = second.get_channel("my_channel").listen("my_event")
exp.get_channel("my_channel").broadcast("my_event", "hello")
print("the second instance heard:", listener.wait(5).payload)

second.stop()
new_device.delete()
exp.stop()

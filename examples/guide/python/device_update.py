"""Creates a device, and hears on its system channel that it was updated.

    python device_update.py
"""

import expd

exp = expd.start()
device = exp.create_device({"name": "my_sweet_device"})
listener = device.get_channel(system=True).listen("update")

device.name = "my_sweeter_device"
device.save()

update = listener.wait(5)
if update:
    print("the device was updated:", update.payload["name"])
device.delete()

"""Ends a group of listeners by its context, in all instances of the program.

    python contexts.py
"""

import expd

exp = expd.start()
menu = exp.clone("menu")
clock = exp.clone("clock")

menu_listener = menu.get_channel("my_channel").listen("my_event")
clock_listener = clock.get_channel("my_channel").listen("my_event")

clock.clear()  # The same as exp.clear("clock").

exp.get_channel("my_channel").broadcast("my_event", "who hears this?")
print("menu heard:", menu_listener.wait(5).payload)
print("clock heard:", clock_listener.wait(0.5))

# Ends the original and its clones.
menu.stop()

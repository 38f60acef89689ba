"""Starts the SDK: as the daemon's own identity, and as one that the program brings along.

    python starting.py [UUID SECRET]
"""

import sys

import expd

# The identity that the daemon is logged in as. It needs no credentials: the daemon keeps them.
exp = expd.start()
print("the daemon is", exp.get_auth()["identity"]["uuid"])

# Another device beside it, which the daemon runs as long as this program wants it. Users give
# username=, password= and organization=, consumer apps uuid= and api_key=.
if len(sys.argv) == 3:
    other = expd.start(uuid=sys.argv[1], secret=sys.argv[2])
    print("this program is", other.get_auth()["identity"]["uuid"])

expd.stop()

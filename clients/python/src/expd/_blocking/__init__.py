"""The blocking API, whose names `expd` exports."""

import atexit

from ._exp import stop

# The threads of this package are daemons, which must not outlive the interpreter's state.
atexit.register(stop)

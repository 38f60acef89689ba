"""Concurrency, for the tests that block. Its twin is `together_aio.py`."""

import time
from concurrent.futures import ThreadPoolExecutor

from daemon import PATIENCE


def together(*calls):
    """Runs calls at the same time, and returns their results."""
    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(call) for call in calls]
        return [call.result() for call in running]


def pause(seconds):
    time.sleep(seconds)


def eventually(holds):
    """Waits until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.01)

"""Concurrency, for the tests of coroutines. Its twin is `together.py`."""

import asyncio

from daemon import PATIENCE


async def together(*calls):
    """Runs calls at the same time, and returns their results."""
    return await asyncio.gather(*(call() for call in calls))


async def pause(seconds):
    await asyncio.sleep(seconds)


async def eventually(holds):
    """Waits until something holds, and returns it."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while not holds():
        assert asyncio.get_running_loop().time() < end, "it did not come to hold"
        await asyncio.sleep(0.01)

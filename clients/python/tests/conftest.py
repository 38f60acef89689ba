"""Every test runs against the installed package, the real daemon and the real embedded network."""

import asyncio
import inspect
import os
import signal
import sys
import uuid
from pathlib import Path

import pytest
from daemon import Daemon

import expd
import expd.aio

REPOSITORY = Path(__file__).resolve().parents[3]

sys.dont_write_bytecode = True

# A shell starts what it runs in the background with SIGINT ignored, and every program here would
# inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session):
    if not os.environ.get("EXPD_TEST_SOURCE"):
        assert REPOSITORY not in Path(expd.__file__).resolve().parents, "not the installed package"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs tests that are coroutines, and ends what they started."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def run():
        try:
            await asyncio.wait_for(pyfuncitem.obj(**arguments), 60)
        finally:
            await expd.aio.stop()

    asyncio.run(run())
    return True


@pytest.fixture(scope="session")
def daemon(tmp_path_factory):
    """The daemon that all tests share which do not harm it."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon")).start()
    yield daemon
    daemon.kill()


@pytest.fixture(autouse=True)
def environment(daemon, monkeypatch):
    monkeypatch.setenv("EXPD_SOCKET", daemon.socket)
    yield
    expd.stop()


@pytest.fixture
def repository():
    return REPOSITORY


@pytest.fixture
def unique():
    """A name that no other test uses."""
    return uuid.uuid4().hex

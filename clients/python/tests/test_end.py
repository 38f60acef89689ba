"""A program ends cleanly: at its end, on Ctrl-C, after a fork."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from daemon import PATIENCE, until

import expd
import expd.aio

HEADER = "import os, signal, sys, threading, time\nimport expd\n"
OPEN = "listener = expd.start().get_channel('end').listen()\nprint('listening', flush=True)\n"


def run(program, *, interrupt=None):
    """Runs a program, and returns its output, its status, and the seconds that its end took."""
    process = subprocess.Popen(
        [sys.executable, "-c", HEADER + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        begun = time.monotonic()
        if interrupt is not None:
            assert process.stdout.readline() == "listening\n"
            begun = time.monotonic()
            process.send_signal(interrupt)
        out, errors = process.communicate(timeout=PATIENCE)
        return out, errors, process.returncode, time.monotonic() - begun
    finally:
        process.kill()


def test_a_program_ends_while_it_listens():
    out, errors, status, took = run(OPEN + "expd.start(uuid='lobby-screen', secret='x')\n")
    assert (out, errors, status) == ("listening\n", "", 0)
    assert took < 5


def test_ctrl_c_interrupts_a_wait_without_a_limit():
    _, errors, status, took = run(OPEN + "listener.wait(None)", interrupt=signal.SIGINT)
    assert status == -signal.SIGINT and errors.rstrip().endswith("KeyboardInterrupt")
    assert took < 3


def test_ctrl_c_interrupts_an_iteration_of_a_coroutine():
    program = """
import asyncio, expd.aio
async def main():
    async with await expd.aio.start() as exp:
        async for _ in await exp.get_channel('end').listen(on_subscription=lambda _: print('listening', flush=True)):
            pass
asyncio.run(main())
"""
    _, errors, status, took = run(program, interrupt=signal.SIGINT)
    assert status == -signal.SIGINT and errors.rstrip().endswith("KeyboardInterrupt")
    assert "never" not in errors and "pending" not in errors
    assert took < 3


def test_no_thread_and_no_listener_is_left_after_stop(daemon):
    from test_back_pressure import behind

    before = set(threading.enumerate())
    exp = expd.start()
    exp.on("online", lambda: None)
    own = expd.start(uuid="lobby-screen", secret="lobby-screen-secret")
    for it in (exp, own):
        it.get_channel("left").listen()
    descriptors = len(os.listdir("/proc/self/fd"))
    expd.stop()
    until(lambda: not [t for t in set(threading.enumerate()) - before if "expd" in t.name], "threads")
    # gRPC's own threads end a moment after their channel.
    until(lambda: set(threading.enumerate()) <= before, f"{threading.enumerate()}")
    until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, "descriptors")

    def is_gone():
        try:
            return behind(daemon.socket, "left") is None
        except ValueError:
            return True

    until(is_gone, "the daemon sees the listeners end")


def test_no_task_is_left_after_stop_and_no_thread_after_the_loop(daemon):
    before = set(threading.enumerate())

    async def run():
        exp = await expd.aio.start()
        exp.on("online", lambda: None)
        own = await expd.aio.start(uuid="lobby-screen", secret="lobby-screen-secret")
        waiting = []
        for it in (exp, own):
            listener = await it.get_channel("left").listen()
            waiting.append(asyncio.ensure_future(listener.wait(None)))
        await asyncio.sleep(0)
        await expd.aio.stop()
        for wait in waiting:
            with pytest.raises(expd.RuntimeError, match="stopped"):
                await wait
        # gRPC's own end a moment after their channel.
        end = time.monotonic() + PATIENCE
        while (left := asyncio.all_tasks() - {asyncio.current_task()}) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        return left

    assert asyncio.run(run()) == set()
    # gRPC keeps one of its own, for all loops of the process.
    assert not [it for it in set(threading.enumerate()) - before if "expd" in it.name]


def test_a_child_of_a_fork_gets_a_clear_error_and_ends():
    program = """
exp = expd.start()
listener = exp.get_channel('end').listen()
child = os.fork()
if child == 0:
    for call in (lambda: exp.get('/api/devices'), lambda: listener.wait(1), expd.start):
        try:
            call()
            print('no error', flush=True)
        except expd.RuntimeError as error:
            print('fork' in str(error) and 'spawn' in str(error), flush=True)
    sys.exit(7)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status))
exp.get_channel('end').broadcast('hi', 1)
print(listener.wait(5).payload)
"""
    out, errors, status, _ = run(program)
    assert (out, status) == ("True\nTrue\nTrue\n7\n1\n", 0)
    # gRPC itself notes a fork while its threads run.
    assert "Traceback" not in errors


def test_a_child_of_a_fork_before_the_start_works():
    program = """
child = os.fork()
exp = expd.start()
exp.get_channel('end').broadcast('hi', 1)
os.write(1, b'sent\\n')
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    out, errors, status, _ = run(program)
    assert (out, errors, status) == ("sent\nsent\n0\n", "", 0)


def test_listeners_may_be_cancelled_from_another_thread():
    listener = expd.start().get_channel("end").listen()
    heard = []
    waiting = [threading.Thread(target=lambda: heard.extend(listener)) for _ in range(3)]
    for thread in waiting:
        thread.start()
    listener.cancel()
    for thread in waiting:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert heard == []


def test_the_soaks_program_ends_at_sigterm(repository, daemon, tmp_path):
    program = [sys.executable, str(repository / "tests/soak/listen.py"), daemon.socket, "soak"]
    out = tmp_path / "out"
    with open(out, "w") as file:
        process = subprocess.Popen(program, stdout=file)
    try:
        until(lambda: '{"ready": true}\n' in out.read_text(), "ready")
        expd.start().get_channel("soak").broadcast("tick", {"n": 1})
        until(lambda: '{"heard": {"n": 1}, "position": {' in out.read_text(), "heard")
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()

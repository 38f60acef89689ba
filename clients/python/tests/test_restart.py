"""Listeners and identities come back by themselves, and tell what may be missing."""

import asyncio
import signal

import grpc
import pytest
from daemon import PATIENCE, Daemon, Network, Wire, until
from test_back_pressure import await_arrival, behind, send

import expd
import expd.aio
from expd.v1 import daemon_pb2, daemon_pb2_grpc


@pytest.fixture
def network(tmp_path):
    network = Network(tmp_path).start()
    yield network
    network.kill()


@pytest.fixture
def restarting(tmp_path, network):
    """A daemon that may be restarted, on a network that stays."""
    daemon = Daemon(tmp_path, network=network.url).start()
    yield daemon
    daemon.kill()


def refused(channel):
    """The error of a broadcast that never left; ``None`` while the connection still breaks."""
    with pytest.raises(expd.NetworkError) as away:
        channel.broadcast("hi")
    assert away.value.fate in ("refused", "unknown")
    return away.value if away.value.fate == "refused" else None


def test_a_listener_goes_on_after_a_restart_and_tells_the_gap(restarting):
    exp = expd.start(socket=restarting.socket)
    channel = exp.get_channel("restart")
    gaps, states = [], []
    listener = channel.listen("hi", on_gap=gaps.append, on_subscription=states.append)
    channel.broadcast("hi", "before")
    assert listener.wait(PATIENCE).payload == "before"
    for how in (signal.SIGTERM, signal.SIGKILL):
        restarting.kill(how)
        away = until(lambda: refused(channel), "refused")
        assert away.reason == "UNREACHABLE" and "expd serve" in away.message
        assert listener.wait(0.1) is None
        gaps.clear()
        restarting.start()
        until(lambda: listener.wait(0.05) is None and states[-1:] == [True], "confirmed again")
        channel.broadcast("hi", "after")
        assert listener.wait(PATIENCE).payload == "after"
        # The network was away from the new log, too, until the subscription was confirmed.
        assert [gap.reason for gap in gaps] in (["restarted"], ["restarted", "offline"])
        assert gaps[0].to_time is not None
    assert states == [True, False, True, False, True]


def test_an_identity_of_the_programs_own_is_run_again(restarting):
    exp = expd.start(socket=restarting.socket, uuid="lobby-screen", secret="lobby-screen-secret")
    told = []
    for name in ("online", "offline", "error"):
        exp.on(name, lambda *_, name=name: told.append(name))
    channel = exp.get_channel("own")
    listener = channel.listen("hi")
    restarting.kill(signal.SIGTERM)
    restarting.start()
    # A call waits until the daemon knows the identity again.
    assert exp.get_auth()["identity"]["uuid"] == "lobby-screen"

    def heard():
        channel.broadcast("hi", "after")
        return listener.wait(0.2)

    assert until(heard, "heard again").payload == "after"
    assert listener.gaps[0].reason == "restarted"
    until(lambda: told[-2:] == ["offline", "online"], f"the events {told}")
    assert "error" not in told


def test_an_asynchronous_listener_goes_on_after_a_restart(restarting):
    async def run():
        exp = await expd.aio.start(
            socket=restarting.socket, uuid="lobby-screen", secret="lobby-screen-secret"
        )
        channel = exp.get_channel("restart")
        gaps = []

        async def on_gap(gap):
            gaps.append(gap.reason)

        listener = await channel.listen("hi", on_gap=on_gap)
        restarting.kill(signal.SIGTERM)
        restarting.start()
        while True:
            await channel.broadcast("hi", "after")
            broadcast = await listener.wait(0.2)
            if broadcast is not None:
                break
        assert broadcast.payload == "after" and gaps[0] == "restarted"
        await expd.aio.stop()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_an_outage_of_the_network_is_told_as_a_gap_with_its_span(restarting, network):
    exp = expd.start(socket=restarting.socket)
    events = []
    exp.on("offline", lambda: events.append("offline"))
    exp.on("online", lambda: events.append("online"))
    listener = exp.get_channel("outage").listen("hi")
    until(lambda: events == ["online"], "online")
    network.kill()
    until(lambda: events[-1] == "offline", "offline")
    assert not exp.is_connected
    with pytest.raises(expd.NetworkError) as offline:
        exp.get_channel("outage").broadcast("hi")
    assert offline.value.reason == "OFFLINE" and offline.value.fate == "refused"
    assert offline.value.retry_after >= 0
    with pytest.raises(expd.NetworkError, match="within 0.3 s"):
        exp.get_channel("elsewhere").listen("hi", timeout=0.3)
    assert listener.wait(0.05) is None


def test_a_connection_that_breaks_loses_nothing_and_is_no_gap(daemon, tmp_path):
    with Wire(tmp_path / "wire", daemon.socket) as wire:
        listener = expd.start(socket=str(wire.path)).get_channel("cut").listen("hi")
        for n in range(3):
            send(daemon.socket, "cut", 100, first=100 * n)
            heard = [listener.wait(PATIENCE).payload["n"] for _ in range(50)]
            wire.cut()
            heard += [listener.wait(PATIENCE).payload["n"] for _ in range(50)]
            assert sorted(heard) == list(range(100 * n, 100 * n + 100))
        assert listener.wait(0.2) is None and not listener.gaps

        async def run():
            exp = await expd.aio.start(socket=str(wire.path))
            listener = await exp.get_channel("cut-aio").listen("hi")
            await asyncio.to_thread(send, daemon.socket, "cut-aio", 100)
            heard = [(await listener.wait(PATIENCE)).payload["n"] for _ in range(50)]
            wire.cut()
            heard += [(await listener.wait(PATIENCE)).payload["n"] for _ in range(50)]
            assert sorted(heard) == list(range(100)) and not listener.gaps
            await expd.aio.stop()

        asyncio.run(run())
        expd.stop()


def test_a_program_that_restarts_goes_on_at_its_position(daemon):
    exp = expd.start()
    channel = exp.get_channel("positions")
    first = channel.listen("hi")
    for n in range(4):
        channel.broadcast("hi", n, 0)
    assert [first.wait(PATIENCE).payload for _ in range(2)] == [0, 1]
    position = first.position
    exp.stop()
    second = expd.start().get_channel("positions").listen("hi", resume=tuple(position))
    assert [second.wait(PATIENCE).payload for _ in range(2)] == [2, 3]
    assert second.missed == 0 and not second.gaps
    gone = expd.start().get_channel("positions").listen("hi", resume=("0" * 32, 7))
    assert gone.wait(PATIENCE).payload == 0
    assert [gap.reason for gap in gone.gaps] == ["restarted"]


def test_a_listener_whose_program_takes_nothing_comes_back_too(restarting):
    exp = expd.start(socket=restarting.socket)
    listener = exp.get_channel("stalled").listen("hi")
    send(restarting.socket, "stalled", 500)
    await_arrival(restarting.socket, "stalled", 500)
    # They are small: all of them have left the daemon that ends.
    until(lambda: behind(restarting.socket, "stalled") == 0, "the daemon has sent them")
    restarting.kill(signal.SIGTERM)
    restarting.start()
    until(lambda: is_heard_of(restarting.socket, "stalled"), "the listener's return")
    send(restarting.socket, "stalled", 3)
    for _ in range(503):
        assert listener.wait(PATIENCE) is not None
    assert listener.wait(0.2) is None
    assert listener.gaps[0].reason == "restarted"


def is_heard_of(socket, channel):
    """True once the daemon has a listener on the channel, and EXP has confirmed it."""
    with grpc.insecure_channel("unix:" + socket) as transport:
        daemon = daemon_pb2_grpc.DaemonStub(transport)
        instances = daemon.GetStatus(daemon_pb2.GetStatusRequest()).instances
    channels = [it for one in instances for it in one.channels if it.channel.name == channel]
    return any(it.listeners and it.HasField("confirmed_at") for it in channels)

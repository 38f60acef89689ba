"""Events for a slow program wait in the daemon."""

import asyncio
import resource

import grpc
import pytest
from daemon import PATIENCE, Daemon, until

import expd
import expd.aio
from expd.v1 import daemon_pb2, daemon_pb2_grpc, network_pb2, network_pb2_grpc

MANY = 10_000

#: Seconds for which a log and a listener keep them.
AGE = 600


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A daemon whose logs hold many events."""
    limits = {
        "EXPD__DAEMON__LIMITS__LOG_EVENTS": "20000",
        "EXPD__DAEMON__LIMITS__LOG_BYTES": "64MiB",
        "EXPD__DAEMON__LIMITS__TOTAL_LOG_BYTES": "128MiB",
        # A busy machine takes its time to send them.
        "EXPD__DAEMON__LIMITS__LOG_AGE": f"{AGE}s",
    }
    daemon = Daemon(tmp_path_factory.mktemp("patient"), limits).start()
    yield daemon
    daemon.kill()


def send(socket, channel, count, payload="{}", first=0):
    """Broadcasts quickly, by gRPC itself, numbered from ``first`` on."""
    with grpc.insecure_channel("unix:" + socket) as transport:
        network = network_pb2_grpc.NetworkStub(transport)
        request = network_pb2.BroadcastRequest(
            channel=network_pb2.Channel(name=channel), name="hi", timeout={}
        )
        sent = []
        for n in range(first, first + count):
            request.payload.json = f'{{"n":{n},"p":{payload}}}'
            sent.append(network.Broadcast.future(request))
            if len(sent) >= 32:
                sent.pop(0).result()
        for call in sent:
            call.result()


def behind(socket, channel):
    """Number of events that the daemon has not given to the quickest listener of a channel."""
    return min(it.behind for it in listeners(socket, channel))


def listeners(socket, channel):
    """The daemon's view of the listeners of a channel."""
    with grpc.insecure_channel("unix:" + socket) as transport:
        daemon = daemon_pb2_grpc.DaemonStub(transport)
        status = daemon.GetStatus(daemon_pb2.GetStatusRequest())
    every = [it for one in status.instances for it in one.listeners]
    return [it for it in every if it.channel.name == channel]


def await_arrival(socket, channel, count):
    """Waits until so many events are in the daemon: the call of a broadcast may end earlier."""

    def has_come():
        seen = [it.delivered + it.behind + it.missed for it in listeners(socket, channel)]
        return min(seen) >= count

    until(has_come, f"{count} events have come")


def peak():
    """Most memory that this program has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


#: Bytes by which a program may grow while they wait and while it takes them: what gRPC's own pools
#: take at their first use. Each of them held as an object would be more by itself.
GROWTH = 16 << 20

#: Text beside the number of each, so that the sockets hold few of them.
FILLER = '"' + "x" * 400 + '"'


def test_ten_thousand_broadcasts_wait_in_the_daemon(patient):
    """For a function and for a coroutine of one program at a time."""
    listener = expd.start(socket=patient.socket).get_channel("slow").listen("hi", max_age=AGE)

    async def run():
        exp = await expd.aio.start(socket=patient.socket)
        coroutines = await exp.get_channel("slow").listen("hi", max_age=AGE)
        await asyncio.to_thread(send, patient.socket, "slow", 100, FILLER)
        before = peak()
        await asyncio.to_thread(send, patient.socket, "slow", MANY - 100, FILLER, 100)
        await asyncio.to_thread(await_arrival, patient.socket, "slow", MANY)
        assert await asyncio.to_thread(behind, patient.socket, "slow") > MANY - 1_000
        assert peak() - before < GROWTH
        numbers = [(await coroutines.wait(PATIENCE)).payload["n"] for _ in range(MANY)]
        assert sorted(numbers) == list(range(MANY))
        assert await coroutines.wait() is None and not coroutines.gaps
        await expd.aio.stop()
        return before

    before = asyncio.run(run())
    numbers = [listener.wait(PATIENCE).payload["n"] for _ in range(MANY)]
    assert sorted(numbers) == list(range(MANY))
    assert listener.wait() is None and not listener.gaps
    assert peak() - before < GROWTH


def test_large_payloads_are_not_read_ahead(patient):
    exp = expd.start(socket=patient.socket)
    listener = exp.get_channel("large").listen("hi", max_age=AGE)
    send(patient.socket, "large", 20, '"' + "x" * 1_000_000 + '"')
    await_arrival(patient.socket, "large", 20)
    assert behind(patient.socket, "large") >= 17
    assert sorted(listener.wait(PATIENCE).payload["n"] for _ in range(20)) == list(range(20))


def test_a_program_slower_than_the_log_is_told_what_it_missed(daemon):
    exp = expd.start()
    listener = exp.get_channel("overflow").listen("hi")
    send(daemon.socket, "overflow", 3_000)
    heard = []

    def has_all():
        heard.extend(iter(lambda: listener.wait(0.5), None))
        return len(heard) + listener.missed >= 3_000

    until(has_all, f"{len(heard)} heard, {listener.missed} missed")
    assert {gap.reason for gap in listener.gaps} == {"overflow"}
    assert len(heard) + listener.missed == 3_000


def test_a_slow_listener_holds_up_no_other_call(patient):
    exp = expd.start(socket=patient.socket)
    listeners = [exp.get_channel("stuck").listen() for _ in range(3)]
    send(patient.socket, "stuck", 2_000, '"' + "x" * 500 + '"')
    quick = exp.get_channel("quick").listen()
    exp.get_channel("quick").broadcast("hi", 1)
    assert quick.wait(PATIENCE).payload == 1
    for listener in listeners:
        listener.cancel()

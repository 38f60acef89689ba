"""Daemons that are older or newer than the package.

A real gRPC server stands before the real daemon: it leaves calls out, as an older daemon would, or
adds what only a newer one says.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from daemon import PATIENCE, until

import expd
import expd.aio
from expd.v1 import daemon_pb2, network_pb2

#: Field 1000, a text: none that this version knows.
UNKNOWN_FIELD = b"\xc2\x3e\x03new"


class Between(grpc.GenericRpcHandler):
    """Hands calls through to the daemon, but for those that are left out."""

    def __init__(self, daemon, left_out=(), change=lambda path, data: [data]):
        self._transport = grpc.insecure_channel("unix:" + daemon.socket)
        self._left_out = left_out
        self._change = change

    def service(self, details):
        path = details.method
        if path in self._left_out:
            return None

        def through(request, context):
            call = self._transport.unary_stream(path)(request)
            context.add_callback(call.cancel)
            try:
                for data in call:
                    yield from self._change(path, data)
            except grpc.RpcError as error:
                context.set_trailing_metadata(error.trailing_metadata() or ())
                context.abort(error.code(), error.details())

        return grpc.unary_stream_rpc_method_handler(through)


@pytest.fixture
def between(daemon, tmp_path):
    servers = []

    def start(**options):
        server = grpc.server(ThreadPoolExecutor(8), handlers=[Between(daemon, **options)])
        path = str(tmp_path / "between")
        server.add_insecure_port("unix:" + path)
        server.start()
        servers.append(server)
        return path

    yield start
    expd.stop()
    for server in servers:
        server.stop(0).wait()


OLD = (
    "/expd.v1.Daemon/RunInstance",
    "/expd.v1.Api/GetContentUrl",
    "/expd.v1.Api/Fetch",
)


def test_a_call_that_an_older_daemon_does_not_know_is_named(between, daemon):
    socket = between(left_out=OLD)
    version = expd.__version__
    words = rf"this daemon \({version}\) does not know Daemon.RunInstance; update expd"
    with pytest.raises(expd.RuntimeError, match=words) as unknown:
        expd.start(socket=socket, uuid="lobby-screen", secret="lobby-screen-secret")
    assert unknown.value.status == "UNIMPLEMENTED" and unknown.value.fate == "refused"
    exp = expd.start(socket=socket)
    root = exp.get_content("root")
    with pytest.raises(expd.RuntimeError, match="does not know Api.GetContentUrl"):
        root.get_url()


def test_all_else_works_with_an_older_daemon(between):
    exp = expd.start(socket=between(left_out=OLD))
    online = []
    exp.on("online", lambda: online.append(True))
    listener = exp.get_channel("old").listen("hi")
    exp.get_channel("old").broadcast("hi", 1)
    assert listener.wait(PATIENCE).payload == 1
    until(lambda: online, "online")


def test_without_the_states_of_links_an_error_says_so(between):
    exp = expd.start(socket=between(left_out=(*OLD, "/expd.v1.Daemon/WatchStatus")))
    errors = []
    exp.on("error", errors.append)
    until(lambda: errors, "an error")
    assert "does not know Daemon.WatchStatus" in str(errors[0])
    assert not exp.is_connected
    assert exp.get_channel("old").broadcast("hi") == []


def test_the_same_is_told_to_coroutines(between):
    async def run():
        with pytest.raises(expd.RuntimeError, match="does not know Daemon.RunInstance"):
            await expd.aio.start(socket=between(left_out=OLD), allow_pairing=True)

    asyncio.run(run())


def newer(path, data):
    """Answers with what no field, no event and no value of this version stands for."""
    data += UNKNOWN_FIELD
    if path == "/expd.v1.Network/Listen":
        event = network_pb2.ListenEvent.FromString(data)
        yield data
        if event.HasField("subscription"):
            yield network_pb2.ListenEvent(sequence=event.sequence).SerializeToString() + UNKNOWN_FIELD
            gap = network_pb2.Gap(reason=9, missed=3)
            yield network_pb2.ListenEvent(sequence=event.sequence, gap=gap).SerializeToString()
    elif path == "/expd.v1.Daemon/WatchStatus":
        yield data
        yield daemon_pb2.LinkEvent(instance="default", state=99).SerializeToString()
    else:
        yield data


def test_what_only_a_newer_daemon_says_breaks_nothing(between):
    exp = expd.start(socket=between(change=newer))
    online, errors = [], []
    exp.on("online", lambda: online.append(True))
    exp.on("error", errors.append)
    listener = exp.get_channel("new").listen("hi")
    exp.get_channel("new").broadcast("hi", 1)
    assert listener.wait(PATIENCE).payload == 1
    assert {(gap.reason, gap.missed) for gap in listener.gaps} == {("reason-9", 3)}
    until(lambda: online, "online")
    assert exp.is_connected and not errors
    assert exp.get_auth()["identity"]["uuid"] == "front-door"


def test_what_only_a_newer_daemon_says_breaks_no_coroutine(between):
    async def run():
        exp = await expd.aio.start(socket=between(change=newer))
        listener = await exp.get_channel("new").listen("hi")
        await exp.get_channel("new").broadcast("hi", 1)
        assert (await listener.wait(PATIENCE)).payload == 1
        assert listener.gaps[0].reason == "reason-9"
        await expd.aio.stop()

    asyncio.run(run())

"""The real grpcio, sync and asyncio, against the daemon at $EXPD_SOCKET.

The stubs are made from proto/ as an app would make them. Called by python.sh with their folder on
PYTHONPATH. The last line says how many checks passed.
"""

import asyncio
import os
import sys
import threading
import time

import grpc
import grpc.aio
from expd.v1 import api_pb2, api_pb2_grpc, daemon_pb2, daemon_pb2_grpc, network_pb2, network_pb2_grpc
from google.protobuf.duration_pb2 import Duration

TARGET = "unix:" + os.environ["EXPD_SOCKET"]
LARGE = '"' + "x" * 10_000_000 + '"'
MANY = 1_000
# How long anything may take here; a check that waits longer has failed.
PATIENCE = 20

OPTIONS = [("grpc.max_receive_message_length", 32 << 20)]

passed = 0
failed = 0


def check(what, holds, seen=""):
    global passed, failed
    if holds:
        passed += 1
        print("ok  ", what)
    else:
        failed += 1
        print("FAIL", what, str(seen)[:2000])


def channel(name):
    return network_pb2.Channel(name=name)


def broadcast(to, name, text, timeout=0.0):
    whole = int(timeout)
    return network_pb2.BroadcastRequest(
        channel=channel(to),
        name=name,
        payload=network_pb2.Payload(json=text),
        timeout=Duration(seconds=whole, nanos=int((timeout - whole) * 1e9)),
    )


def confirmed(event):
    return event.WhichOneof("event") == "subscription" and event.subscription.state == network_pb2.Subscription.CONFIRMED


def answer(heard, text):
    return network_pb2.RespondRequest(
        broadcast_id=heard.id, channel_id=heard.channel_id, payload=network_pb2.Payload(json=text)
    )


class Sync:
    """The same list for the blocking API."""

    def __init__(self):
        self.transport = grpc.insecure_channel(TARGET, options=OPTIONS)
        self.network = network_pb2_grpc.NetworkStub(self.transport)
        self.daemon = daemon_pb2_grpc.DaemonStub(self.transport)
        self.api = api_pb2_grpc.ApiStub(self.transport)

    def listen(self, name, timeout=PATIENCE):
        stream = self.network.Listen(network_pb2.ListenRequest(channel=channel(name)), timeout=timeout)
        for event in stream:
            if confirmed(event):
                return stream
        raise AssertionError("the stream ended before it was confirmed")

    def heard(self, stream):
        for event in stream:
            if event.WhichOneof("event") == "broadcast":
                return event.broadcast
        raise AssertionError("the stream ended")

    def run(self):
        status = self.daemon.GetStatus(daemon_pb2.GetStatusRequest(), timeout=PATIENCE)
        check("sync: unary", status.instances[0].link.state == daemon_pb2.LinkEvent.ONLINE, status)
        identity = self.api.GetIdentity(api_pb2.GetIdentityRequest(), timeout=PATIENCE)
        check("sync: the identity", identity.type == "device" and identity.organization == "demo", identity)

        stream = self.listen("sync")
        told = {}

        def ask():
            told["responses"] = self.network.Broadcast(broadcast("sync", "hi", '{"n": 0.10}', 2), timeout=PATIENCE)

        asking = threading.Thread(target=ask)
        asking.start()
        heard = self.heard(stream)
        check("sync: heard, its text unchanged", heard.payload.json == '{"n": 0.10}', heard)
        self.network.Respond(answer(heard, '{"ok": 1e400}'), timeout=PATIENCE)
        asking.join()
        responses = [payload.json for payload in told["responses"].responses]
        check("sync: the broadcaster gets the response", responses == ['{"ok": 1e400}'], responses)

        def send():
            for n in range(MANY):
                self.network.Broadcast(broadcast("sync", "many", str(n)), timeout=PATIENCE)

        sending = threading.Thread(target=send)
        sending.start()
        got = [self.heard(stream).payload.json for _ in range(MANY)]
        sending.join()
        check(f"sync: a long stream of {MANY}", got == [str(n) for n in range(MANY)], got[:20])

        self.network.Broadcast(broadcast("sync", "large", LARGE), timeout=PATIENCE)
        check("sync: 10 MB", self.heard(stream).payload.json == LARGE)

        stream.cancel()
        try:
            next(stream)
            check("sync: cancelled", False, "the stream went on")
        except grpc.RpcError as error:
            check("sync: cancelled", error.code() == grpc.StatusCode.CANCELLED, error)
        until = time.monotonic() + PATIENCE
        listeners = None
        while listeners != 0 and time.monotonic() < until:
            status = self.daemon.GetStatus(daemon_pb2.GetStatusRequest(), timeout=PATIENCE)
            listeners = len(status.instances[0].listeners)
        check("sync: the daemon sees the cancellation", listeners == 0, status)

        try:
            for _ in self.network.Listen(network_pb2.ListenRequest(channel=channel("sync")), timeout=0.3):
                pass
            check("sync: a deadline ends a stream", False, "it ended well")
        except grpc.RpcError as error:
            check("sync: a deadline ends a stream", error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)
        try:
            self.network.Broadcast(broadcast("sync", "slow", "1", 5), timeout=0.3)
            check("sync: a deadline ends a call", False, "it ended well")
        except grpc.RpcError as error:
            check("sync: a deadline ends a call", error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)
        try:
            self.network.Broadcast(broadcast("sync", "", "1"), timeout=PATIENCE)
            check("sync: a refusal says why", False, "it was taken")
        except grpc.RpcError as error:
            check("sync: a refusal says why", error.code() == grpc.StatusCode.INVALID_ARGUMENT and error.details(), error)
        self.transport.close()


async def run_asyncio():
    async with grpc.aio.insecure_channel(TARGET, options=OPTIONS) as transport:
        network = network_pb2_grpc.NetworkStub(transport)
        daemon = daemon_pb2_grpc.DaemonStub(transport)
        status = await daemon.GetStatus(daemon_pb2.GetStatusRequest(), timeout=PATIENCE)
        check("asyncio: unary", status.instances[0].link.state == daemon_pb2.LinkEvent.ONLINE, status)

        stream = network.Listen(network_pb2.ListenRequest(channel=channel("asyncio")), timeout=PATIENCE)
        while not confirmed(await stream.read()):
            pass

        async def heard():
            while True:
                event = await stream.read()
                if event is grpc.aio.EOF:
                    raise AssertionError("the stream ended")
                if event.WhichOneof("event") == "broadcast":
                    return event.broadcast

        asking = asyncio.ensure_future(network.Broadcast(broadcast("asyncio", "hi", '{"n": 0.10}', 2), timeout=PATIENCE))
        got = await heard()
        check("asyncio: heard, its text unchanged", got.payload.json == '{"n": 0.10}', got)
        await network.Respond(answer(got, '{"ok": 1e400}'), timeout=PATIENCE)
        responses = [payload.json for payload in (await asking).responses]
        check("asyncio: the broadcaster gets the response", responses == ['{"ok": 1e400}'], responses)

        async def send():
            for n in range(MANY):
                await network.Broadcast(broadcast("asyncio", "many", str(n)), timeout=PATIENCE)

        sending = asyncio.ensure_future(send())
        got = [(await heard()).payload.json for _ in range(MANY)]
        await sending
        check(f"asyncio: a long stream of {MANY}", got == [str(n) for n in range(MANY)], got[:20])

        await network.Broadcast(broadcast("asyncio", "large", LARGE), timeout=PATIENCE)
        check("asyncio: 10 MB", (await heard()).payload.json == LARGE)

        stream.cancel()
        try:
            await stream.read()
            check("asyncio: cancelled", False, "the stream went on")
        except asyncio.CancelledError:
            check("asyncio: cancelled", await stream.code() == grpc.StatusCode.CANCELLED)
        until = time.monotonic() + PATIENCE
        listeners = None
        while listeners != 0 and time.monotonic() < until:
            status = await daemon.GetStatus(daemon_pb2.GetStatusRequest(), timeout=PATIENCE)
            listeners = len(status.instances[0].listeners)
        check("asyncio: the daemon sees the cancellation", listeners == 0, status)

        # A task that is cancelled takes its stream along.
        async def forever():
            async for _ in network.Listen(network_pb2.ListenRequest(channel=channel("asyncio"))):
                pass

        task = asyncio.ensure_future(forever())
        while not (await daemon.GetStatus(daemon_pb2.GetStatusRequest())).instances[0].listeners:
            await asyncio.sleep(0.01)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            status = await daemon.GetStatus(daemon_pb2.GetStatusRequest(), timeout=PATIENCE)
            if not status.instances[0].listeners:
                break
        check("asyncio: a cancelled task ends its stream", not status.instances[0].listeners, status)

        try:
            async for _ in network.Listen(network_pb2.ListenRequest(channel=channel("asyncio")), timeout=0.3):
                pass
            check("asyncio: a deadline ends a stream", False, "it ended well")
        except grpc.aio.AioRpcError as error:
            check("asyncio: a deadline ends a stream", error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)
        try:
            await network.Broadcast(broadcast("asyncio", "slow", "1", 5), timeout=0.3)
            check("asyncio: a deadline ends a call", False, "it ended well")
        except grpc.aio.AioRpcError as error:
            check("asyncio: a deadline ends a call", error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)


Sync().run()
asyncio.run(asyncio.wait_for(run_asyncio(), 4 * PATIENCE))
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)

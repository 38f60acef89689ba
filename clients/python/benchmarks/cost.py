#!/usr/bin/env python3
"""Cost of the library beside the bare gRPC client of Python, in one run.

    EXPD_SOCKET=... benchmarks/cost.py [--heard N] [--calls N] [--rounds N]

Each figure comes from a process of its own; library and bare client take turns, and the median of
the rounds counts. CPU is that of the whole process, with all its threads. A broadcast is heard at
400 a second (a kiosk's busiest moments) and as fast as it comes from the daemon's log; the latency
is the time from the sender's call to the program. A call is a broadcast without a wait for
responses.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time

SOCKET = os.environ.get("EXPD_SOCKET", "")
RATE = 400
VARIANTS = ["bare", "library", "bare-aio", "library-aio"]


def stubs(aio=False):
    import grpc
    import grpc.aio

    from expd.v1 import network_pb2_grpc

    make = grpc.aio.insecure_channel if aio else grpc.insecure_channel
    return network_pb2_grpc.NetworkStub(make("unix:" + SOCKET))


def request(channel, payload="null"):
    from google.protobuf.duration_pb2 import Duration

    from expd.v1 import network_pb2

    return network_pb2.BroadcastRequest(
        channel=network_pb2.Channel(name=channel),
        name="cost",
        payload=network_pb2.Payload(json=payload),
        timeout=Duration(),
    )


def send(channel, count, rate):
    """The sender, in a process of its own. It says when it has begun."""
    network = stubs()
    start = time.monotonic()
    for n in range(count):
        if rate:
            time.sleep(max(0.0, start + n / rate - time.monotonic()))
        network.Broadcast(request(channel, json.dumps({"at": time.time(), "menu": "tomato soup"})))


class Heard:
    """The count and the latencies of what was heard, and the CPU from the first one on."""

    def __init__(self, count):
        self.left = count
        self.latencies = []
        self.begun = None

    def note(self, payload):
        if self.begun is None:
            self.begun = time.process_time()
            self.at = time.monotonic()
        self.latencies.append(time.time() - payload["at"])
        self.left -= 1
        return self.left <= 0

    def result(self):
        cpu = time.process_time() - self.begun
        count = len(self.latencies) - 1
        return {
            "cpu": cpu / count * 1e6,
            "p50": statistics.median(self.latencies) * 1e6,
            "rate": count / (time.monotonic() - self.at),
        }


def listening(channel):
    from expd.v1 import network_pb2

    return network_pb2.ListenRequest(channel=network_pb2.Channel(name=channel))


def hear(variant, channel, count, backlog):
    heard = Heard(count)
    if variant == "bare":
        confirmed = False
        for event in stubs().Listen(listening(channel)):
            kind = event.WhichOneof("event")
            if kind == "broadcast":
                if heard.note(json.loads(event.broadcast.payload.json)):
                    break
            elif kind == "subscription" and event.subscription.state == 2 and not confirmed:
                confirmed = True
                ready(backlog)
    else:
        import expd

        listener = expd.start().get_channel(channel).listen()
        ready(backlog)
        while not heard.note(listener.wait(30).payload):
            pass
    return heard.result()


async def hear_aio(variant, channel, count, backlog):
    heard = Heard(count)
    if variant == "bare-aio":
        confirmed = False
        async for event in stubs(aio=True).Listen(listening(channel)):
            kind = event.WhichOneof("event")
            if kind == "broadcast":
                if heard.note(json.loads(event.broadcast.payload.json)):
                    break
            elif kind == "subscription" and event.subscription.state == 2 and not confirmed:
                confirmed = True
                ready(backlog)
    else:
        import expd.aio

        exp = await expd.aio.start()
        listener = await exp.get_channel(channel).listen()
        ready(backlog)
        async for broadcast in listener:
            if heard.note(broadcast.payload):
                break
    return heard.result()


def ready(backlog):
    """Lets the sender begin; with a backlog, it sends everything before this process goes on."""
    print("ready", flush=True)
    if backlog:
        sys.stdin.readline()


def timed(latencies, started):
    cpu = time.process_time() - started
    return {"cpu": cpu / len(latencies) * 1e6, "p50": statistics.median(latencies) * 1e6}


def call(variant, channel, count):
    if variant == "bare":
        network = stubs()

        def once():
            text = json.dumps({"menu": "tomato soup"})
            answer = network.Broadcast(request(channel, text), timeout=10)
            return [json.loads(response.json) for response in answer.responses]

    else:
        import expd

        to = expd.start().get_channel(channel)

        def once():
            return to.broadcast("cost", {"menu": "tomato soup"}, 0)

    latencies, started = [], None
    for n in range(count + 50):
        if n == 50:
            started, latencies = time.process_time(), []
        at = time.perf_counter()
        once()
        latencies.append(time.perf_counter() - at)
    return timed(latencies, started)


async def call_aio(variant, channel, count):
    if variant == "bare-aio":
        network = stubs(aio=True)

        async def once():
            text = json.dumps({"menu": "tomato soup"})
            answer = await network.Broadcast(request(channel, text), timeout=10)
            return [json.loads(response.json) for response in answer.responses]

    else:
        import expd.aio

        to = (await expd.aio.start()).get_channel(channel)

        async def once():
            return await to.broadcast("cost", {"menu": "tomato soup"}, 0)

    latencies, started = [], None
    for n in range(count + 50):
        if n == 50:
            started, latencies = time.process_time(), []
        at = time.perf_counter()
        await once()
        latencies.append(time.perf_counter() - at)
    return timed(latencies, started)


def worker(what, variant, channel, count):
    if what == "call":
        run = call_aio(variant, channel, count) if "aio" in variant else call(variant, channel, count)
    else:
        listen = hear_aio if "aio" in variant else hear
        run = listen(variant, channel, count, what == "backlog")
    result = asyncio.run(run) if asyncio.iscoroutine(run) else run
    print(json.dumps(result), flush=True)
    os._exit(0)


def measure(what, variant, count):
    channel = f"cost-{os.getpid()}-{time.monotonic_ns()}"
    command = [sys.executable, __file__, "--worker", what, variant, channel, str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if what != "call":
        assert process.stdout.readline() == "ready\n", "the listener did not start"
        rate = "0" if what == "backlog" else str(RATE)
        sender = [sys.executable, __file__, "--send", channel, str(count), rate]
        subprocess.run(sender, check=True)
        if what == "backlog":
            process.stdin.write("\n")
            process.stdin.flush()
    out, _ = process.communicate(timeout=120)
    return json.loads(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heard", type=int, default=800)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="figures whose name contains this")
    options = parser.parse_args()
    figures = {}
    for what, count in (("call", options.calls), ("heard", options.heard), ("backlog", options.heard)):
        if options.only not in what:
            continue
        rounds = {variant: [] for variant in VARIANTS}
        for _ in range(options.rounds):
            for variant in VARIANTS:
                rounds[variant].append(measure(what, variant, count))
        for suffix in ("", "-aio"):
            for figure in ("cpu", "p50"):
                if (what, figure) == ("backlog", "p50"):
                    continue
                median = {
                    side: statistics.median(r[figure] for r in rounds[side + suffix])
                    for side in ("bare", "library")
                }
                ratio = median["library"] / median["bare"]
                name = f"{what}{suffix} {figure}"
                figures[name] = ratio
                if not options.json:
                    print(
                        f"{name:18} bare {median['bare']:8.1f} us   library {median['library']:8.1f} us"
                        f"   ratio {ratio:.2f}",
                        flush=True,
                    )
    if options.json:
        print(json.dumps(figures))


if sys.argv[1:2] == ["--worker"]:
    worker(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
elif sys.argv[1:2] == ["--send"]:
    send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
else:
    main()

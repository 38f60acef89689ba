"""Answers every `hi` on the channel `menu`, through restarts of the daemon and outages."""

import json
import sys
import time

import grpc
from connection import connect
from expd.v1 import network_pb2, network_pb2_grpc

with connect() as channel:
    network = network_pb2_grpc.NetworkStub(channel)
    request = network_pb2.ListenRequest(channel=network_pb2.Channel(name="menu"), name="hi")
    while True:
        try:
            for event in network.Listen(request, wait_for_ready=True):
                kind = event.WhichOneof("event")
                if kind == "subscription":
                    request.resume.log_id = event.subscription.log_id
                    if event.subscription.state == network_pb2.Subscription.CONFIRMED:
                        print("ready", flush=True)
                elif kind == "gap":
                    print("may have missed something:", event.gap, file=sys.stderr)
                elif kind == "broadcast":
                    heard = event.broadcast
                    answer = json.dumps({"from": "Python", "got": json.loads(heard.payload.json)})
                    try:
                        network.Respond(
                            network_pb2.RespondRequest(
                                broadcast_id=heard.id,
                                channel_id=heard.channel_id,
                                payload=network_pb2.Payload(json=answer),
                            )
                        )
                    except grpc.RpcError as error:
                        print("too late or not possible:", error.details(), file=sys.stderr)
                request.resume.after = event.sequence
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            print("the daemon is away:", error.details(), file=sys.stderr)
            time.sleep(0.2)

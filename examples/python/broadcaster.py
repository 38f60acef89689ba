"""Broadcasts `hi` on the channel `menu` and prints the responses of the next second.

One JSON document a line.
"""

from connection import connect
from expd.v1 import network_pb2, network_pb2_grpc
from google.protobuf.duration_pb2 import Duration

with connect() as channel:
    network = network_pb2_grpc.NetworkStub(channel)
    answer = network.Broadcast(
        network_pb2.BroadcastRequest(
            channel=network_pb2.Channel(name="menu"),
            name="hi",
            payload=network_pb2.Payload(json='{"soup":"tomato"}'),
            timeout=Duration(seconds=1),
        )
    )
    for response in answer.responses:
        print(response.json)

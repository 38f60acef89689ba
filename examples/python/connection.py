"""The daemon's address, and a channel to it."""

import os

import grpc


def connect():
    socket = os.environ.get("EXPD_SOCKET", "/run/expd/expd.sock")
    return grpc.insecure_channel(f"unix:{socket}")

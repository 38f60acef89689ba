"""Where the daemon is, and a channel to it."""

import os

import grpc


def connect():
    socket = os.environ.get("EXPD_SOCKET", "/run/expd/expd.sock")
    # The tests set a name here; see tests/clients/daemon.sh.
    authority = os.environ.get("EXPD_TEST_AUTHORITY")
    options = [("grpc.default_authority", authority)] if authority else []
    return grpc.insecure_channel(f"unix:{socket}", options=options)

#!/usr/bin/env bash
# grpcio, sync and asyncio, against the real daemon. Needs a `python` with grpcio and grpcio-tools
# first on the PATH.
source "$(dirname "$0")/daemon.sh"
start_daemon

mkdir "$room/stubs"
python -m grpc_tools.protoc -I "$root/proto" --python_out="$room/stubs" --grpc_python_out="$room/stubs" \
    "$root"/proto/expd/v1/*.proto
PYTHONPATH=$room/stubs PYTHONDONTWRITEBYTECODE=1 python "$root/tests/clients/python/check.py" || {
    tail -n 40 "$room/expd.log"
    exit 1
}

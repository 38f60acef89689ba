#!/usr/bin/env bash
# @grpc/grpc-js against the real daemon. Needs the packages of tests/clients/node (npm ci).
source "$(dirname "$0")/daemon.sh"
start_daemon

node "$root/tests/clients/node/check.js" || {
    tail -n 40 "$room/expd.log"
    exit 1
}

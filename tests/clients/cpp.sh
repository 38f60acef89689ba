#!/usr/bin/env bash
# gRPC for C++, as Debian packages it, against the real daemon. Needs g++, pkg-config,
# libgrpc++-dev, libprotobuf-dev and protobuf-compiler-grpc.
source "$(dirname "$0")/daemon.sh"
start_daemon

stubs=$room/stubs
mkdir "$stubs"
protoc -I "$root/proto" -I /usr/include --cpp_out="$stubs" --grpc_out="$stubs" \
    --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" expd/v1/network.proto
# The flags are words of their own.
# shellcheck disable=SC2046
g++ -std=c++17 -I "$stubs" "$root/tests/clients/cpp/check.cc" "$stubs"/expd/v1/*.cc $(pkg-config --cflags --libs grpc++ protobuf) \
    -o "$room/check"
timeout 60 "$room/check" "unix:$socket" || {
    tail -n 40 "$room/expd.log"
    exit 1
}

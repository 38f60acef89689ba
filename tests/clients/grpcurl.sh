#!/usr/bin/env bash
# The real grpcurl against the real daemon, by nothing but the contract that reflection shows. Needs
# grpcurl and jq on the PATH.
source "$(dirname "$0")/daemon.sh"
start_daemon

flags=(-plaintext -max-msg-sz 33554432)

# ask METHOD [JSON]: a call with the request given, else read from standard input.
ask() {
    grpcurl "${flags[@]}" -unix -d "${2:-@}" "$socket" "expd.v1.$1"
}

# listen JSON: starts a listener as a process of its own.
listen() {
    exec grpcurl "${flags[@]}" -unix -d "$1" "$socket" expd.v1.Network/Listen
}

# expect WHAT FILTER TEXT: the jq filter holds for the JSON documents in the text.
expect() {
    if jq -es "$2" <<<"$3" >/dev/null 2>&1; then ok "$1"; else no "$1" "$2 does not hold for:" "${3:0:2000}"; fi
}

# heard FILE FILTER: the filter holds for what a listener has written so far.
heard() {
    jq -es "$2" "$1"
}

# refused WHAT CODE COMMAND...: the call ends with that status.
refused() {
    local what=$1 code=$2 said
    shift 2
    if said=$("$@" 2>&1 >/dev/null); then
        no "$what" "it was not refused"
    elif grep -q "Code: $code" <<<"$said" || grep -q "code = $code" <<<"$said"; then
        ok "$what"
    else
        no "$what" "$said"
    fi
}

services=$(grpcurl "${flags[@]}" -unix "$socket" list)
for service in expd.v1.Network expd.v1.Api expd.v1.Daemon grpc.health.v1.Health; do
    if grep -qx "$service" <<<"$services"; then ok "list names $service"; else no "list names $service" "$services"; fi
done

described=$(grpcurl "${flags[@]}" -unix "$socket" describe expd.v1.Network)
for method in Broadcast Listen Respond OpenListener NextEvent CancelListener ClearContext; do
    if grep -q "rpc $method " <<<"$described"; then ok "describe shows $method"; else no "describe shows $method" "$described"; fi
done
described=$(grpcurl "${flags[@]}" -unix "$socket" describe expd.v1.BroadcastRequest)
if grep -q 'timeout = 5' <<<"$described"; then ok "describe shows a message"; else no "describe shows a message" "$described"; fi

expect "health says SERVING" '.[0].status == "SERVING"' \
    "$(grpcurl "${flags[@]}" -unix "$socket" grpc.health.v1.Health/Check)"
expect "the status is online, as a device of the network" \
    '.[0].instances[0] | .instance == "default" and .link.state == "ONLINE" and .identity.type == "device" and .identity.paired' \
    "$(ask Daemon/GetStatus '{}')"
expect "the identity has an organization" '.[0].organization == "demo"' "$(ask Api/GetIdentity '{}')"
expect "a request goes through to the network" '.[0].status == 200 and (.[0].body.json | fromjson | has("results"))' \
    "$(ask Api/Request '{"method": "GET", "path": "/api/devices"}')"

# Two listeners on a channel: one for one name, one for all, the second with payloads as values.
start listen '{"channel": {"name": "menu"}, "name": "hi", "context": "test"}' >"$room/named" 2>"$room/named.end"
start listen '{"channel": {"name": "menu"}, "payload_form": "VALUE"}' >"$room/all" 2>/dev/null
all=$!
for listener in named all; do
    if eventually heard "$room/$listener" '.[-1].subscription.state == "CONFIRMED"'; then
        ok "the listener for $listener is confirmed"
    else
        no "the listener for $listener is confirmed" "$(cat "$room/$listener")"
    fi
done

start ask Network/Broadcast \
    '{"channel": {"name": "menu"}, "name": "hi", "payload": {"json": "{\"soup\": 0.10}"}, "timeout": "3s"}' >"$room/answer"
broadcaster=$!
if eventually heard "$room/named" '.[-1].broadcast.payload.json == "{\"soup\": 0.10}"'; then
    ok "a broadcast is heard, its text unchanged"
else
    no "a broadcast is heard, its text unchanged" "$(cat "$room/named")"
fi
if eventually heard "$room/all" '.[-1].broadcast.payload.value.soup == 0.1'; then
    ok "a broadcast is heard as a value"
else
    no "a broadcast is heard as a value" "$(cat "$room/all")"
fi
answer=$(jq -cs '.[-1].broadcast | {broadcast_id: .id, channel_id: .channelId, payload: {json: "{\"thanks\": 1e400}"}}' "$room/named")
expect "a response is taken" '.[0] == {}' "$(ask Network/Respond "$answer")"
wait "$broadcaster" || true
expect "the broadcaster gets the response" '.[0].responses == [{"json": "{\"thanks\": 1e400}"}]' "$(cat "$room/answer")"

expect "without responders, the list is empty" '.[0].responses // [] == []' \
    "$(ask Network/Broadcast '{"channel": {"name": "menu"}, "name": "other"}')"
if eventually heard "$room/all" '.[-1].broadcast.name == "other"' && ! heard "$room/named" '.[-1].broadcast.name == "other"' >/dev/null; then
    ok "a listener with a name hears that name alone"
else
    no "a listener with a name hears that name alone" "$(cat "$room/named")"
fi
refused "a response that comes too late is told so" FailedPrecondition ask Network/Respond "$answer"
refused "nobody broadcasts on a system channel" InvalidArgument \
    ask Network/Broadcast '{"channel": {"name": "menu", "system": true}, "name": "hi"}'
refused "an unknown instance is told" NotFound ask Network/Broadcast '{"instance": "nobody", "channel": {"name": "menu"}, "name": "hi"}'

# Ten megabytes, from standard input; as a value, so much comes as text.
head -c 10000000 /dev/zero | tr '\0' x >"$room/ten"
jq -Rc '{channel: {name: "menu"}, name: "ten", payload: {json: ("\"" + . + "\"")}}' "$room/ten" >"$room/request"
ask Network/Broadcast <"$room/request" >/dev/null || no "10 MB are broadcast"
if eventually heard "$room/all" '.[-1].broadcast | .name == "ten" and (.payload.json | length) == 10000002'; then
    ok "10 MB are broadcast and heard"
else
    no "10 MB are broadcast and heard" "$(tail -c 300 "$room/all")"
fi

refused "a deadline ends a stream" DeadlineExceeded \
    grpcurl "${flags[@]}" -unix -max-time 0.3 -d '{"channel": {"name": "menu"}}' "$socket" expd.v1.Network/Listen
expect "a context is cleared" '.[0].cancelled == 1' "$(ask Network/ClearContext '{"context": "test"}')"
if eventually grep -q 'Code: Canceled' "$room/named.end"; then
    ok "a listener is told that its context was cleared"
else
    no "a listener is told that its context was cleared" "$(cat "$room/named.end")"
fi
kill "$all"
nobody_listens() {
    ask Daemon/GetStatus '{}' | jq -es '.[0].instances[0].listeners // [] | length == 0'
}
if eventually nobody_listens; then ok "the daemon sees that a listener left"; else no "the daemon sees that a listener left"; fi

opened=$(ask Network/OpenListener '{"channel": {"name": "pull"}}' | jq -r .listenerId)
expect "a pulled listener gives its subscription first" '.[0].event.subscription.listenerId == "'"$opened"'"' \
    "$(ask Network/NextEvent '{"listener_id": "'"$opened"'", "wait": "5s"}')"
expect "a pulled listener is cancelled" '.[0] == {}' "$(ask Network/CancelListener '{"listener_id": "'"$opened"'"}')"
refused "a cancelled listener is gone" NotFound ask Network/NextEvent '{"listener_id": "'"$opened"'"}'
finish

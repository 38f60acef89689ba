#!/usr/bin/env bash
# Runs every example responder, then every example broadcaster: each of these must get an answer
# from each of those. Then the daemon restarts, and the responders must answer again by themselves.
# At last the commands for resources. Needs grpcio, grpcio-tools, the packages of
# tests/clients/node, and the built Rust examples.
source "$(dirname "$0")/daemon.sh"
start_daemon

mkdir "$room/stubs"
python -m grpc_tools.protoc -I "$root/proto" --python_out="$room/stubs" --grpc_python_out="$room/stubs" \
    "$root"/proto/expd/v1/*.proto
export PYTHONPATH=$room/stubs PYTHONDONTWRITEBYTECODE=1 NODE_PATH=$root/tests/clients/node/node_modules
languages=(Rust Python Node)

example() { # example LANGUAGE PROGRAM: in place of this process
    case $1 in
    Rust) exec "$root/target/debug/examples/$2" ;;
    Python) exec python "$root/examples/python/$2.py" ;;
    Node) exec node "$root/examples/node/$2.js" ;;
    esac
}

# Each responder prints `ready` once a connection: so many must be there now.
all_ready() {
    local language
    for language in "${languages[@]}"; do
        [ "$(grep -c '^ready$' "$room/$language.out")" -ge "$1" ] || return 1
    done
}

answered() {
    local language answers answer
    for language in "${languages[@]}"; do
        answers=$(example "$language" broadcaster 2>&1) || true
        for answer in "${languages[@]}"; do
            if grep -q "\"from\": *\"$answer\"" <<<"$answers" && grep -q '"soup": *"tomato"' <<<"$answers"; then
                ok "the broadcaster in $language is answered by the responder in $answer$1"
            else
                no "the broadcaster in $language is answered by the responder in $answer$1" "$answers"
            fi
        done
    done
}

daemon=${started[0]}
for language in "${languages[@]}"; do
    start example "$language" responder >"$room/$language.out" 2>"$room/$language.err"
done
if eventually all_ready 1; then ok "all responders are ready"; else no "all responders are ready" "$(cat "$room"/*.err)"; fi
answered ""

kill "$daemon"
wait "$daemon" || true
start_daemon
if eventually all_ready 2; then ok "all responders are back"; else no "all responders are back" "$(cat "$room"/*.err)"; fi
answered " after a restart"

# The guide in Rust, from end to end.
if told=$(EXPD_SOCKET=$socket "$root/target/debug/examples/guide" 2>&1) && grep -q '^done$' <<<"$told"; then
    ok "the guide's operations in Rust"
else
    no "the guide's operations in Rust" "$told"
fi

# The two examples of the vendor's guide, as commands.
cli() {
    "$expd" --socket "$socket" "$@"
}
field() { # field NAME: of the document on standard input
    python -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}
device=$(cli devices create '{"name": "my_sweet_device"}' | field uuid)
start "$expd" --socket "$socket" devices watch "$device" --count 1 >"$room/watch.out" 2>"$room/watch.err"
watch=${started[-1]}
if eventually grep -q "has confirmed" "$room/watch.err"; then ok "a new device is watched"; else no "a new device is watched"; fi
cli devices edit "$device" '{"name": "my_sweeter_device"}' >/dev/null
wait "$watch" || true
heard=$(field name <"$room/watch.out" || true)
if [ "$heard" = my_sweeter_device ]; then ok "its update is heard"; else no "its update is heard" "$(cat "$room/watch.out")"; fi

experience=$(cli experiences create '{"name": "old name"}' | field uuid)
cli experiences edit "$experience" '{"name": "new name"}' >/dev/null
found=$(cli experiences get "$experience" | field name)
if [ "$found" = "new name" ]; then ok "an experience is changed in place"; else no "an experience is changed in place" "$found"; fi
finish

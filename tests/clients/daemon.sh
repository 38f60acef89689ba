# Sourced by the client tests. Starts the real binary with its embedded network in a temporary
# folder, and ends by process id whatever a test has started. Gives:
#   $expd      the binary (EXPD_BIN, else the debug build)
#   $room      the temporary folder, gone at the end
#   $socket    the daemon's socket
#   $network   the URL of its network
#   ok, no     count a check; `finish` prints the sum and fails where one failed
#   eventually COMMAND...   runs it until it succeeds, for at most 20 seconds
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
expd=${EXPD_BIN:-$root/target/debug/expd}
[ -x "$expd" ] || {
    echo "$expd is not there; build it with: cargo build" >&2
    exit 1
}
room=$(mktemp -d)
socket=$room/expd.sock
passed=0
failed=0
started=()

end_all() {
    local pid
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${started[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$room"
}
trap end_all EXIT

ok() {
    passed=$((passed + 1))
    echo "ok   $1"
}

no() {
    failed=$((failed + 1))
    echo "FAIL $1"
    shift
    [ $# -eq 0 ] || printf '     %s\n' "$@"
}

finish() {
    if [ "$failed" -gt 0 ]; then
        echo "--- the daemon said:"
        tail -n 40 "$room/expd.log"
    fi
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

eventually() {
    local until=$((SECONDS + 20))
    while ! "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.05
    done
}

# start COMMAND...: in the background; its process id is in $!.
start() {
    "$@" &
    started+=($!)
}

# start_daemon [ARGUMENT...]: with an embedded network on a free port.
start_daemon() {
    EXPD__HUB__LISTEN=127.0.0.1:0 start "$expd" serve --embedded --socket "$socket" "$@" 2>"$room/expd.log"
    eventually grep -q 'Ctrl-C ends it' "$room/expd.log" || {
        echo "the daemon did not start:"
        cat "$room/expd.log"
        exit 1
    }
    network=$(awk '$1 == "EXP" && $2 == "network" { print $3; exit }' "$room/expd.log")
    export EXPD_SOCKET=$socket
}

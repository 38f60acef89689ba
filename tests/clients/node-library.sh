#!/usr/bin/env bash
# The package of clients/node as its users have it: packed, installed into a fresh folder, its types
# checked, its tests run there against the real daemon. Needs the packages of clients/node (npm ci).
# What EXPD_OLDEST_NODE names runs the main ones again.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export EXPD_BIN=${EXPD_BIN:-$root/target/debug/expd}
source=$root/clients/node
work=$root/target/node-library

# The library works with a daemon that says more than it knows: an older contract is a note, not a
# failure.
mkdir -p "$work"
"$source/scripts/generate" "$work/contract.js"
cmp -s "$work/contract.js" "$source/lib/contract.js" ||
    echo "note: proto/ has changed since clients/node/lib/contract.js was generated; renew it with clients/node/scripts/generate"

rm -rf "$work/app" "$work"/*.tgz
mkdir "$work/app"
(cd "$source" && npm pack --silent --pack-destination "$work" >/dev/null)
tarball=$(basename "$work"/expd-*.tgz)
cat >"$work/app/package.json" <<END
{ "private": true, "dependencies": { "expd": "file:../$tarball" } }
END
(cd "$work/app" && npm install --prefer-offline --no-audit --no-fund --ignore-scripts --loglevel=error)

# Everything that imports `expd` runs beside the installed package, not in the source folder.
cp -r "$source/test" "$root/examples/guide/node" "$work/app/"
cp "$source/README.md" "$root/tests/soak/listen.mjs" "$root"/LICENSE-* "$work/app/test/support/"
"$source/node_modules/.bin/tsc" --project "$work/app/test/types"

cd "$work/app"
# run NODE FILE...: counts what passed. They take half a minute.
run() {
    echo "on node $("$1" --version)"
    timeout 300 "$1" --test --test-concurrency=3 --test-reporter=tap "${@:2}" | tee "$work/tap"
    awk '/^# pass / { p = $3 } /^# fail / { f = $3 } END { print p " passed, " f " failed"; exit f != 0 || p == 0 }' "$work/tap"
}
run node test/*.test.mjs
[ -z "${EXPD_OLDEST_NODE:-}" ] || run "$EXPD_OLDEST_NODE" test/vendor.test.mjs test/compatibility.test.mjs

#!/bin/sh
# Checks the units as systemd reads them: no complaint from verify, and an exposure of at most 1.5
# of 10. Works on copies whose Exec…= name a program that is there, since expd itself need not be
# installed.
set -eu
cd "$(dirname "$0")/.."
command -v systemd-analyze >/dev/null || {
    echo "systemd-analyze is missing; apt-get install systemd" >&2
    exit 1
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
units="expd.service expd.socket expd-online.target expd-wait-online.service"
for unit in $units; do
    # The manual page is packaged later than the unit is checked.
    sed -e 's|^\(Exec[A-Za-z]*\)=/usr/bin/expd |\1=/bin/true |' -e '/^Documentation=man:/d' \
        "systemd/$unit" >"$folder/$unit"
done

# Other units of the machine may complain too: ours are the lines that name them.
said=$(cd "$folder" && systemd-analyze verify --man=no $(printf './%s ' $units) 2>&1) || failed=1
ours=$(printf '%s\n' "$said" | grep -i expd || true)
if [ "${failed:-0}" = 1 ] || [ -n "$ours" ]; then
    printf 'systemd-analyze verify complains:\n%s\n' "$said" >&2
    exit 1
fi
for unit in expd.service expd-wait-online.service; do
    systemd-analyze security --offline=true --no-pager --threshold=15 "$folder/$unit" >"$folder/security" 2>&1 || {
        cat "$folder/security" >&2
        exit 1
    }
    tail -n 1 "$folder/security"
done

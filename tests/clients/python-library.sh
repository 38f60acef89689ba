#!/usr/bin/env bash
# The library of clients/python: its types, the oldest Python that it runs on, its generated parts,
# and its tests against the real daemon, with the built wheel in fresh environments: one of the
# newest libraries, one of the oldest that it allows. Arguments: the Python of an environment with
# requirements-dev.txt, and a folder of wheels with what the tests' requirements name.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
library=$root/clients/python
tools=$1
wheels=$2
export EXPD_BIN=${EXPD_BIN:-$root/target/debug/expd} PYTHONDONTWRITEBYTECODE=1
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

# Copies: a build leaves files beside its sources.
cp -r "$library" "$room/source"
(cd "$room/source" && "$tools" -m mypy --cache-dir "$(dirname "$tools")/../mypy")
(cd "$library" && "$(dirname "$tools")/vermin" --quiet --no-tips --violations --target=3.9- --eval-annotations --backport typing --backport dataclasses \
    src "$root/examples/guide/python" "$root/tests/soak/listen.py")
"$tools" "$library/scripts/generate" --check
"$tools" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$room/wheel" "$room/source"
# What is published as source has everything that a build needs, and the texts of the licences.
(cd "$room/source" && "$tools" -c 'from setuptools.build_meta import build_sdist; build_sdist("../sdist")' >/dev/null)
tar -tzf "$room"/sdist/expd-*.tar.gz >"$room/sdist/files"
for file in LICENSE-MIT LICENSE-APACHE README.md pyproject.toml src/expd/py.typed src/expd/v1/network_pb2.pyi; do
    grep -q "^expd-[^/]*/$file\$" "$room/sdist/files" || { echo "the source distribution lacks $file" && exit 1; }
done

passed=0
# check REQUIREMENTS TESTS...: in a fresh environment of the wheel and what the requirements name.
check() {
    local requirements=$library/$1 environment=$room/${1%.txt} counted
    shift
    python3 -m venv --without-pip "$environment"
    "$tools" -m pip --python "$environment/bin/python" install --quiet --no-index --find-links "$wheels" --requirement "$requirements" "$room"/wheel/expd-*.whl
    (cd "$room" && "$environment/bin/python" -m pytest -c "$library/pyproject.toml" --rootdir "$room" "$@") | tee "$room/out"
    counted=$(sed -n 's/^\([0-9]*\) passed in .*/\1/p' "$room/out")
    passed=$((passed + counted))
}
check requirements-oldest.txt "$library/tests/test_vendor.py" "$library/tests/test_vendor_aio.py"
check requirements-test.txt "$library/tests"
# Types, the target, the generated parts, the wheel and the source distribution are one check each.
echo "$((passed + 5)) passed, 0 failed"

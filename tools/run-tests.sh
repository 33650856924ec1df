#!/bin/bash
# run-tests.sh - installs what the tests need, builds, runs every suite and adds them up (tests/summary.py).
# SKIP_REAL=1 leaves out what needs a Docker engine or a browser. AUTOHEAL_TEST_LONG=1 adds the long tests.
# Logs stay in build/test/.
set -u
cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that called this
out=build/test
rm -rf "$out"
mkdir -p "$out"

# suite NAME SECONDS COMMAND...: runs it, shows and keeps its output and its exit status.
suite() {
	local name=$1 limit=$2
	shift 2
	echo "== $name"
	echo unfinished >"$out/$name.rc"
	timeout -k 15 "$limit" "$@" </dev/null 2>&1 | tee "$out/$name.log"
	echo "${PIPESTATUS[0]}" >"$out/$name.rc"
}

# python NAME SECONDS FILES [VARIABLE=VALUE...]: a suite of pytest; files: words, be it a folder.
python() {
	local name=$1 limit=$2 files=$3
	shift 3
	# shellcheck disable=SC2086 # words are what is wanted
	suite "$name" "$limit" env PYTHONDONTWRITEBYTECODE=1 "$@" /usr/bin/python3 -m pytest -q \
		-p no:cacheprovider --basetemp "$tmp/$name" --durations 5 \
		--junitxml "$PWD/$out/$name.xml" $files
}

# Engines of their own, and mostly waiting: these run beside the other tests with a real engine.
far="tests/real/test_engine_restart.py tests/real/test_podman.py tests/real/test_proxy.py tests/real/test_tls.py"
near=$(ls tests/real/test_*.py)
for file in $far; do near=${near//$file/}; done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

suite packages 1500 tools/install-packages.sh build run test
suite build 900 make -j"$(nproc)" all san
if [ "$(cat "$out/packages.rc" "$out/build.rc" | tr -d '\n')" = 00 ]; then
	suite format 120 make format-check
	suite clang 300 make clang-check
	python build 600 tests/build
	suite unit 600 make -j"$(nproc)" unit-programs
	for source in tests/unit/test_*.c; do
		name=$(basename "$source" .c)
		suite "unit-$name" 300 "build/unit/$name"
	done
	suite replay-build 600 make -j"$(nproc)" replay-programs
	suite replay 300 make fuzz-replay
	python engine 900 tests/engine AUTOHEAL="$PWD/build/san/autoheal"
	python engine-musl 900 tests/engine AUTOHEAL="$PWD/build/autoheal"
	if [ "${SKIP_REAL:-}" != 1 ]; then
		python real-far 1200 "$far" >/dev/null &
		python real 1200 "$near"
		wait
		echo "== real-far"
		cat "$out/real-far.log"
		python page 1500 tests/page
	fi
fi
echo "== summary"
exec /usr/bin/python3 tests/summary.py "$out"

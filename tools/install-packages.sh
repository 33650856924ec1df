#!/bin/sh
# install-packages.sh GROUP... - installs what a group needs (build, run, test, bench) and is not there yet.
# Quiet, and asks no mirror, when all is there. Without root it says what to install.
set -eu

build="gcc libc6-dev make binutils musl-tools libjsmn-dev dpkg-dev xz-utils gzip ca-certificates"
run="docker.io busybox-static curl procps util-linux"
test="libcmocka-dev python3 python3-pytest clang clang-format clang-tidy libclang-rt-14-dev strace haproxy iproute2
	openssl chromium git podman"
bench="python3 strace openssl libssl-dev wrk"

wanted=
extras=
for group in "$@"; do
	case $group in
	build) wanted="$wanted $build" ;;
	run) wanted="$wanted $run" ;;
	test)
		wanted="$wanted $test"
		extras=yes
		# where node does not come from Debian, npm comes with it
		{ command -v node && command -v npm; } >/dev/null || wanted="$wanted nodejs npm"
		;;
	bench) wanted="$wanted $bench" ;;
	*)
		echo "$0: no group $group (build, run, test, bench)" >&2
		exit 64
		;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	echo "this is no Debian: it is up to you that these are installed:$wanted" >&2
	exit 0
fi
tools=$(dirname "$0")
fetch() {
	[ -n "$extras" ] || return 0
	"$tools/fetch-prometheus.sh" "$tools/../build/prometheus" && "$tools/fetch-npm.sh" "$tools/../build/npm"
}
missing=
for package in $wanted; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
		missing="$missing $package"
done
if [ -z "$missing" ]; then
	fetch
	exit
fi

if [ "$(id -u)" != 0 ]; then
	echo "missing packages; as root: apt-get install --no-install-recommends$missing" >&2
	exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1; }
install() {
	# shellcheck disable=SC2086 # a list of words
	quietly env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Acquire::Retries=3 \
		-o Dpkg::Use-Pty=0 install --no-install-recommends $missing
}
echo "installing:$missing"
# The lists may be absent or too old to install from: then they are fetched, once.
if ! install; then
	if ! { quietly apt-get -qq -o Acquire::Retries=3 update && install; }; then
		cat "$log" >&2
		exit 1
	fi
fi
fetch

#!/bin/sh
# fetch-prometheus.sh FOLDER - puts Debian's prometheus and promtool into FOLDER, for the tests of /metrics. The package is
# only unpacked: installing it would start a service. Does nothing where both can be found already.
set -eu
folder=$1

if [ -x "$folder/promtool" ] || { command -v promtool && command -v prometheus; } >/dev/null; then
	exit 0
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
download() { (cd "$tmp" && apt-get -qq -o Acquire::Retries=3 download prometheus) >"$tmp/log" 2>&1; }
# The lists may be absent or too old: then they are fetched, once.
if ! download; then
	if ! { apt-get -qq -o Acquire::Retries=3 update && download; }; then
		cat "$tmp/log" >&2
		exit 1
	fi
fi
dpkg-deb -x "$tmp"/prometheus_*.deb "$tmp/tree"
mkdir -p "$folder"
mv "$tmp/tree/usr/bin/prometheus" "$tmp/tree/usr/bin/promtool" "$folder/"

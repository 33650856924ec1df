#!/bin/sh
# fetch-jsmn.sh OUT - copies jsmn.h (one header, package libjsmn-dev) to OUT when it is the one we know.
set -eu
out=$1
from=/usr/include/jsmn.h
sum=1ed6154dedf009212a08a397e9c4ed50a0ce31d5a8301bb294e137ae3188c13b # libjsmn-dev 1.1.0-2

if [ ! -r "$from" ]; then
	echo "$from is missing: apt-get install libjsmn-dev" >&2
	exit 1
fi
mkdir -p "$(dirname "$out")"
cp "$from" "$out.tmp"
if ! echo "$sum  $out.tmp" | sha256sum --check --status; then
	rm -f "$out.tmp"
	echo "$from is not jsmn 1.1.0 as we know it (SHA-256 differs); look at it and pin its sum in $0" >&2
	exit 1
fi
mv "$out.tmp" "$out"

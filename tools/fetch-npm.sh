#!/bin/sh
# fetch-npm.sh FOLDER - puts what drives the browser in the tests of the page into FOLDER/node_modules: the npm packages
# that tests/page/package-lock.json pins by their sums. Nothing of theirs runs while they are installed. Does nothing
# where they are there already.
set -eu
from=$(cd "$(dirname "$0")/../tests/page" && pwd)
folder=$1

if [ -d "$folder/node_modules" ] && cmp -s "$from/package-lock.json" "$folder/package-lock.json"; then
	exit 0
fi
mkdir -p "$folder"
cp "$from/package.json" "$from/package-lock.json" "$folder/"
if ! (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1); then
	cat "$folder/npm.log" >&2
	rm -rf "$folder/node_modules"
	exit 1
fi

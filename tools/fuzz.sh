#!/bin/sh
# fuzz.sh SECONDS PROGRAM... - runs each fuzz target so long, on what tests/fuzz/corpus has for it and what earlier runs found
# (build/fuzz/found). Ends with 1 where a target failed; its input stays in build/fuzz.
set -u
seconds=$1
shift
root=$(dirname "$0")/..
status=0

for program in "$@"; do
	name=$(basename "$program")
	kept=$root/tests/fuzz/corpus/$name
	found=$root/build/fuzz/found/$name
	log=$root/build/fuzz/$name.log
	mkdir -p "$found"
	set -- -max_total_time="$seconds" -max_len=16384 "$found" "$kept"
	[ -r "$root/tests/fuzz/$name.dict" ] && set -- -dict="$root/tests/fuzz/$name.dict" "$@"
	# no alarm of its own: it would read the simulated clock
	if timeout $((seconds + 120)) "$program" -artifact_prefix="$root/build/fuzz/$name-" -rss_limit_mb=2048 -timeout=0 \
		-close_fd_mask=2 -print_final_stats=1 "$@" >"$log" 2>&1; then
		printf '%-16s %s\n' "$name" "$(grep -E '^#[0-9]+.*(DONE|INITED)' "$log" | tail -n 1)"
	else
		status=1
		printf '%-16s FAILED: %s\n' "$name" "$log"
		tail -n 20 "$log"
	fi
done
exit $status

#!/bin/sh
# check-static.sh BINARY - whether a binary is what we ship: a static PIE that needs no other file,
# with full RELRO, no executable stack, no writable and executable segment, and small enough.
set -eu
file=$1
max=368640 # bytes: 360 KiB

fail() {
	echo "$file: $1" >&2
	exit 1
}

all=$(readelf -W -h -l -d "$file")
has() { printf '%s\n' "$all" | grep -q -E "$1"; }

has '^ *Type: *DYN' || fail "not position independent"
! has '^ *INTERP' || fail "needs a dynamic linker"
! has '\(NEEDED\)' || fail "needs a shared library"
has '^ *GNU_RELRO' || fail "has no RELRO segment"
has '\(FLAGS.*NOW' || fail "is not bound at start (no full RELRO)"
has '^ *GNU_STACK .* RW +0x' || fail "does not say that its stack is not executable"
! has '^ *LOAD .* RWE ' || fail "has a segment that is writable and executable"
size=$(wc -c <"$file")
[ "$size" -le "$max" ] || fail "$size bytes, more than $max"

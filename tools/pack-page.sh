#!/bin/sh
# pack-page.sh OUT.c FILE... - writes C source that holds the files gzipped, in the shape of page.h.
# index.html is served as "/", any other file under its own name. The same files give the same bytes.
# JavaScript modules in a row become one, under the name of the last: their exports are its names, so no two may be called
# the same, and an import is a line of its own. One file is one request, and packs better than its parts.
# Indentation, empty lines and comments are left out: a comment has lines of its own, or is what stands behind " // " at
# the end of a line without quotes from there on. So no text of several lines may depend on them.
set -eu
LC_ALL=C
export LC_ALL

if [ $# -lt 2 ]; then
	echo "usage: pack-page.sh OUT.c FILE..." >&2
	exit 64
fi
out=$1
shift

bare() {
	awk -v js="$(case $1 in *.js) echo 1 ;; esac)" '
		{ sub(/^[ \t]+/, "") }
		js && /^import [^;]* from .\.\/[a-z]+\.js.;$/ { next }
		js { sub(/^export /, "") }
		/^\/\*/ { comment = 1 }
		!comment && js { sub(/^\/\/.*|[ \t]+\/\/ [^"\047`]*$/, "") }
		!comment && length
		/\*\/$/ { comment = 0 }'
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

: >"$scratch/arrays"
: >"$scratch/table"
number=0
while [ $# -gt 0 ]; do
	: >"$scratch/bare"
	while :; do
		file=$1
		shift
		name=${file##*/}
		bare "$name" <"$file" >>"$scratch/bare"
		case "$name ${1-}" in *.js\ *.js) ;; *) break ;; esac
	done
	# the name becomes a path in a C string: nothing in it may need escaping
	case $name in
	*[!A-Za-z0-9._-]* | '') echo "pack-page.sh: $file: a name of letters, digits, . _ - is needed" >&2; exit 1 ;;
	index.html) path=/ ;;
	*) path=/$name ;;
	esac
	case $name in
	*.html) type='text/html; charset=utf-8' ;;
	*.css) type='text/css; charset=utf-8' ;;
	*.js) type='text/javascript; charset=utf-8' ;;
	*.svg) type='image/svg+xml' ;;
	*) echo "pack-page.sh: $file: html, css, js and svg are known" >&2; exit 1 ;;
	esac

	# -n and standard input: neither a name nor a time gets into the gzip header
	gzip -9n <"$scratch/bare" >"$scratch/gz"
	sum=$(sha256sum <"$scratch/gz" | cut -c 1-16)
	{
		printf '\n/* %s */\nstatic const unsigned char page_%d[] = {\n' "$name" "$number"
		od -An -v -tx1 "$scratch/gz" | sed 's/ *\([0-9a-f][0-9a-f]\) */0x\1,/g; s/^/	/'
		printf '};\n'
	} >>"$scratch/arrays"
	printf '	{"%s", "%s", "\\"%s\\"", page_%d, sizeof page_%d},\n' \
		"$path" "$type" "$sum" "$number" "$number" >>"$scratch/table"
	number=$((number + 1))
done

{
	printf '/* Made by tools/pack-page.sh from page/; change it there. */\n#include "page.h"\n'
	cat "$scratch/arrays"
	printf '\nconst struct page_file page_files[] = {\n'
	cat "$scratch/table"
	printf '};\nconst size_t page_files_count = sizeof page_files / sizeof page_files[0];\n'
} >"$scratch/out"
# a build that is cut short leaves no half file under the final name
cp "$scratch/out" "$out.tmp"
mv "$out.tmp" "$out"

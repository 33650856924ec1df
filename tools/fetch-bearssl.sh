#!/bin/sh
# fetch-bearssl.sh DIR - unpacks BearSSL 0.6 into DIR, from Debian's source package (which changes none of
# its C files). The tarball comes from the machine's own Debian mirror through apt, into a folder of its own,
# so that the machine's package lists stay as they are, and is kept outside the clone. Needs no root.
set -eu
dir=$1
name=bearssl_0.6+dfsg.1.orig.tar.xz
sum=102a625bd8f6155260867a50c508df8d8c3f796985dd744df1a68e5cd1a79004
cache=${XDG_CACHE_HOME:-$HOME/.cache}/autoheal

verified() { [ -f "$1" ] && echo "$sum  $1" | sha256sum --check --status; }

if ! verified "$cache/$name"; then
	mkdir -p "$cache"
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	chmod 755 "$tmp" # apt fetches as a user of its own
	mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial"

	# Debian's main archive as the machine already uses it: address and suite.
	key=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -r "$key" ] && signed="[signed-by=$key] " || signed=
	apt-get indextargets 'Created-By: Packages' 'Component: main' 'Origin: Debian' 'Label: Debian' \
		--format '$(REPO_URI) $(RELEASE)' 2>/dev/null | sort -u |
		awk -v signed="$signed" '$2 !~ /-/ { print "deb-src " signed $0 " main" }' \
			>"$tmp/sources.list"
	if [ ! -s "$tmp/sources.list" ]; then
		echo "no Debian archive among this machine's apt sources (or no apt-get update yet): put" \
			"$name into $cache by hand" >&2
		exit 1
	fi
	apt() {
		apt-get -qq -o Dir::Etc::SourceList="$tmp/sources.list" -o Dir::Etc::SourceParts=/dev/null \
			-o Dir::State::Lists="$tmp/lists" -o Dir::Cache="$tmp/cache" -o Acquire::Retries=3 \
			-o APT::Sandbox::User=root "$@"
	}
	echo "fetching BearSSL 0.6 (Debian source package bearssl)"
	if ! (cd "$tmp" && apt update && apt source --download-only --tar-only bearssl) >"$tmp/log" 2>&1; then
		cat "$tmp/log" >&2
		exit 1
	fi
	if ! verified "$tmp/$name"; then
		echo "$name: SHA-256 is not the pinned one, or the mirror has another version" >&2
		exit 1
	fi
	mv "$tmp/$name" "$cache/$name.tmp.$$"
	mv "$cache/$name.tmp.$$" "$cache/$name"
fi

rm -rf "$dir"
mkdir -p "$dir"
tar -xJf "$cache/$name" -C "$dir" --strip-components=1
touch "$dir/.verified"

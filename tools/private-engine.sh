#!/bin/bash
# private-engine.sh - a Docker engine of one's own in one folder, without systemd, network or registry.
# Sourced: the functions below. As a command: private-engine.sh start DIR | stop DIR. Needs root, docker.io,
# busybox-static and curl. DIR's path must be short (a unix socket's path ends at 108 bytes).

# engine_call DIR METHOD PATH [CURL ARGUMENTS...]: one call of the engine's API; fails on an error status,
# whose answer is then told.
engine_call() {
	local dir=$1 method=$2 path=$3
	shift 3
	curl -sS --fail-with-body --max-time 60 --unix-socket "$dir/docker.sock" -X "$method" "$@" \
		"http://engine$path"
}

# engine_start DIR: makes DIR where needed and returns when the engine answers; 1 with the reason if not.
engine_start() {
	local dir=$1 try
	if [ "$(id -u)" != 0 ]; then
		echo "a private Docker engine needs root" >&2
		return 1
	fi
	if ! command -v dockerd >/dev/null; then
		echo "no dockerd here (package docker.io)" >&2
		return 1
	fi
	mkdir -p "$dir"
	# Docker up to 23 leaves a key behind in /etc/docker: then it is for engine_stop to take away.
	[ -e /etc/docker ] || touch "$dir/made-etc-docker"
	[ -e /etc/docker/key.json ] || touch "$dir/made-key"
	[ -e /run/docker ] || touch "$dir/made-run-docker"
	# In a session of its own: Ctrl-C in the terminal is for us, who stop the engine last.
	# Its own cgroup parent: what is left there is ours.
	setsid dockerd --data-root "$dir/data" --exec-root "$dir/exec" -H "unix://$dir/docker.sock" \
		-p "$dir/pid" --bridge=none --iptables=false --cgroup-parent "/$(basename "$dir")" \
		>"$dir/dockerd.log" 2>&1 </dev/null &
	echo $! >"$dir/dockerd.pid"
	for ((try = 0; try < 300; try++)); do
		if engine_call "$dir" GET /_ping >/dev/null 2>&1; then
			return 0
		fi
		kill -0 "$(cat "$dir/dockerd.pid")" 2>/dev/null || break
		sleep 0.1
	done
	echo "dockerd did not come up; the last lines of its log:" >&2
	tail -n 8 "$dir/dockerd.log" | sed 's/^/    /' >&2
	if grep -q -i cgroup "$dir/dockerd.log"; then
		echo "It misses control groups: this seems to be a container without them mounted." >&2
	fi
	return 1
}

# engine_image DIR NAME: an image NAME of nothing but busybox.
engine_image() {
	local dir=$1 name=$2 root status=0
	root=$(mktemp -d)
	mkdir -p "$root/bin" "$root/etc" "$root/run" "$root/tmp"
	cp "$(command -v busybox)" "$root/bin/busybox"
	"$root/bin/busybox" --list | while read -r applet; do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	tar -C "$root" -c . | engine_call "$dir" POST "/images/create?fromSrc=-&repo=$name&tag=latest" \
		-H 'Content-Type: application/x-tar' --data-binary @- >/dev/null || status=1
	rm -rf "$root"
	return $status
}

# ended PID TENTHS: waits until the process is gone or a zombie; 1 if it is not.
ended() {
	local try
	for ((try = 0; try < $2; try++)); do
		case $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) in
		'' | Z) return 0 ;;
		esac
		sleep 0.1
	done
	return 1
}

# engine_stop DIR: ends containers, dockerd and containerd, unmounts and removes DIR. Leaves nothing.
engine_stop() {
	local dir=$1 id pid mount group
	[ -d "$dir" ] || return 0
	for id in $(engine_call "$dir" GET '/containers/json?all=1' 2>/dev/null |
		grep -o '"Id":"[0-9a-f]*"' | cut -d'"' -f4); do
		engine_call "$dir" DELETE "/containers/$id?force=1&v=1" >/dev/null 2>&1
	done
	# Both pids are read before either process goes and takes its file along.
	for pid in $(cat "$dir/dockerd.pid" "$dir/exec/containerd/containerd.pid" 2>/dev/null); do
		# A pid that somebody else has by now names no file of ours.
		grep -q -z -F -- "$dir/" "/proc/$pid/cmdline" 2>/dev/null || continue
		kill -TERM "$pid" 2>/dev/null
		ended "$pid" 200 || kill -KILL "$pid" 2>/dev/null
		ended "$pid" 50
	done
	# Shims that outlived their containerd.
	for pid in /proc/[0-9]*; do
		pid=${pid#/proc/}
		if grep -q -z -F -- "$dir/exec/containerd" "/proc/$pid/cmdline" 2>/dev/null; then
			kill -KILL "$pid" 2>/dev/null
			ended "$pid" 50
		fi
	done
	for mount in $(awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r); do
		umount "$mount" 2>/dev/null || umount -l "$mount"
	done
	for group in /sys/fs/cgroup/*/"$(basename "$dir")" /sys/fs/cgroup/"$(basename "$dir")"; do
		[ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
	done
	[ ! -e "$dir/made-key" ] || rm -f /etc/docker/key.json
	[ ! -e "$dir/made-etc-docker" ] || rmdir /etc/docker 2>/dev/null
	[ ! -e "$dir/made-run-docker" ] || rmdir /run/docker/plugins /run/docker 2>/dev/null
	rm -rf "$dir"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	case "${1:-} ${2:-}" in
	'start '?*) engine_start "$2" || { engine_stop "$2"; exit 1; } ;;
	'stop '?*) engine_stop "$2" ;;
	*)
		echo "usage: $0 start DIR | stop DIR" >&2
		exit 64
		;;
	esac
fi

#!/bin/bash
# run.sh - what `make run` does: autoheal at work. On the Docker engine that answers here it only tells what it
# would do (RUN=live acts); where none answers, on a private engine with three sample containers, which is
# taken away again at Ctrl-C.
set -u
cd "$(dirname "$0")/.." || exit 1
. tools/private-engine.sh

say() { printf '%s\n' "$*"; }

# answers URL: whether a Docker engine answers there.
answers() {
	local args=(-s -f -o /dev/null --max-time 5) url=$1
	case $url in
	unix://*) curl "${args[@]}" --unix-socket "${url#unix://}" http://engine/_ping ;;
	tcp://* | http://* | https://*)
		if [ "${DOCKER_TLS_VERIFY:-0}" = 0 ] && [ "${url%%:*}" != https ]; then
			curl "${args[@]}" "http://${url#*://}/_ping"
		else
			local certs=${DOCKER_CERT_PATH:-/certs}
			curl "${args[@]}" --cacert "$certs/ca.pem" --cert "$certs/cert.pem" \
				--key "$certs/key.pem" "https://${url#*://}/_ping"
		fi
		;;
	*) return 1 ;;
	esac
}

# The first engine that answers, as a DOCKER_HOST; nothing if none does.
find_engine() {
	local path
	if [ -n "${DOCKER_HOST:-}" ]; then
		answers "$DOCKER_HOST" && say "$DOCKER_HOST"
		return
	fi
	for path in /var/run/docker.sock ${XDG_RUNTIME_DIR:+"$XDG_RUNTIME_DIR/docker.sock"} \
		/run/podman/podman.sock ${XDG_RUNTIME_DIR:+"$XDG_RUNTIME_DIR/podman/podman.sock"}; do
		[ -S "$path" ] && answers "unix://$path" && say "unix://$path" && return
	done
}

# The first port from 8080 on that nobody listens on at 127.0.0.1.
free_port() {
	local port
	for ((port = 8080; port < 8180; port++)); do
		if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
	echo 0
}

# sample NAME LABELS COMMAND: a container with a health check that /run/bad fails.
sample() {
	engine_call "$dir" POST "/containers/create?name=$1" -H 'Content-Type: application/json' -d @- <<-END \
		>/dev/null && engine_call "$dir" POST "/containers/$1/start" >/dev/null
		{"Image": "sample", "Labels": $2, "StopTimeout": 3,
		 "Cmd": ["sh", "-c", "trap 'exit 0' TERM; $3 while :; do sleep 3600 & wait \$!; done"],
		 "Healthcheck": {"Test": ["CMD-SHELL", "test ! -f /run/bad"],
		  "Interval": 1000000000, "Timeout": 5000000000, "Retries": 1},
		 "HostConfig": {"NetworkMode": "none", "Tmpfs": {"/run": ""}}}
	END
}

dir=
child=
cleanup() {
	trap '' INT TERM HUP
	if [ -n "$child" ] && kill -TERM "$child" 2>/dev/null; then
		wait "$child"
	fi
	if [ -n "$dir" ]; then
		say "taking the private engine away again"
		engine_stop "$dir"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ ! -x build/autoheal ]; then
	say "build/autoheal is missing: run 'make' first" >&2
	exit 1
fi
if ! command -v curl >/dev/null; then
	[ "$(id -u)" = 0 ] || { say "curl is missing; as root: apt-get install curl" >&2; exit 1; }
	tools/install-packages.sh run || exit 1
fi

engine=$(find_engine)
if [ -z "$engine" ]; then
	say "No Docker engine answers at ${DOCKER_HOST:-any of the usual sockets}: starting a private one to show you."
	if [ "$(id -u)" != 0 ]; then
		say "That needs root: run 'make run' as root, or name an engine with DOCKER_HOST." >&2
		exit 1
	fi
	tools/install-packages.sh run || exit 1
	dir=$(mktemp -d /tmp/autoheal-run.XXXXXX)
	engine_start "$dir" && engine_image "$dir" sample || exit 1
	# The database falls sick 15 s after its first start, so that you can watch, and then every four minutes:
	# rarely enough to stay out of quarantine. What is written outside /run survives a restart.
	sick="wait=240; [ -e /seen ] || wait=15; : >/seen; (sleep \$wait; : >/run/bad) &"
	sample healthy-shop '{"autoheal": "true"}' '' &&
		sample sick-database '{"autoheal": "true"}' "$sick" &&
		sample unlabelled '{}' '' || exit 1
	unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION AUTOHEAL_HOSTS DOCKER_SOCK
	engine="unix://$dir/docker.sock"
	mkdir "$dir/autoheal"
	export AUTOHEAL_DATA_DIR="${AUTOHEAL_DATA_DIR:-$dir/autoheal}"
	say "A private engine runs with three containers: healthy-shop and sick-database are watched,"
	say "unlabelled is not. In some 15 seconds sick-database falls sick: watch it being healed."
elif [ "${RUN:-}" = live ]; then
	say "autoheal acts on the engine at $engine."
else
	export AUTOHEAL_DRY_RUN=true
	say "autoheal looks at the engine at $engine and changes nothing; 'make run RUN=live' acts."
fi
export DOCKER_HOST=$engine
export AUTOHEAL_API_TOKEN="${AUTOHEAL_API_TOKEN:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}"
export AUTOHEAL_LISTEN="${AUTOHEAL_LISTEN:-127.0.0.1:$(free_port)}"

say
say "    The page:  http://$AUTOHEAL_LISTEN/#token=$AUTOHEAL_API_TOKEN"
say "    To end:    Ctrl-C"
say
trap 'exit 0' INT TERM HUP
build/autoheal &
child=$!
wait "$child"
status=$?
child=
exit "$status"

"""A scripted Docker engine: it speaks the Docker API over a unix socket and/or TCP and does as a test tells it.

It keeps a model of containers, answers /version, /_ping, /events, /containers/json, /containers/X/json and
POST restart, start, stop, kill as dockerd (20.10 or 28 order of events) or Podman does, records every request
with a monotonic time, and misbehaves on demand (engine_wire.Fault).

    engine = Engine(socket_path="/tmp/x/docker.sock").start()
    web = engine.add("web", labels={"autoheal": "true"})
    engine.set_health(web, "unhealthy")             # the event included
    engine.wait_request("POST", "/containers/.*/restart")
    engine.stop()

What a test does to the model happens at once, under one lock.
"""
import collections
import contextlib
import json
import re
import threading
import time
import urllib.parse

from engine_container import SECOND, Container, rfc3339
from engine_wire import HTTPError, Server, chunk, estranged, label_match, parse_filters, pieces, version_tuple

RING = 256


class Engine(Server):
    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.containers = {}                    # id -> Container
        # Podman's is its log, which forgets nothing
        self.ring = collections.deque(maxlen=RING if self.flavour == "docker" else None)
        self.tells_stop = True                  # Podman: whether a stop has an event (here and there it has none)
        self.last_nano = 0
        self.execs = {}                         # id -> what was created to be executed

    # ---- the model: what tests do

    def add(self, name, **kw):
        """A container that is there already: no event. Keywords: those of Container."""
        container = Container(name, **kw)
        with self.lock:
            self.containers[container.id] = container
        return container

    def start_container(self, name, **kw):
        """docker run: create and start events. Its health is 'starting', then healthy after heals_after."""
        container = Container(name, **{"state": "created", "up": 0, **kw})
        with self.lock:
            self.containers[container.id] = container
            self.event("create", container)
            self._started(container)
        return container

    def start_by_person(self, container):
        """docker start."""
        with self.lock:
            self._started(container)

    def restart_by_person(self, container):
        """docker restart, or another tool's."""
        self._restart(container)

    def stop_by_person(self, container):
        """docker stop: returns when it has stopped (container.stop_seconds)."""
        with container.lock:
            self._stop(container)

    def kill(self, container, signal="HUP", dies=None):
        """docker kill -s SIGNAL; whether the container dies follows from the signal if not told."""
        dies = signal in ("KILL", "TERM", "9", "15") if dies is None else dies
        number = {"KILL": 9, "TERM": 15, "HUP": 1, "INT": 2, "USR1": 10}.get(signal, signal)
        with self.lock:
            self.event("kill", container, signal=str(number))
            if dies:
                self._died(container, 128 + int(number))
                self.event("die", container, exitCode=str(container.exit_code))

    def die(self, container, exit_code=1):
        """It exits by itself."""
        with self.lock:
            self._died(container, exit_code)
            self.event("die", container, exitCode=str(exit_code))

    def pause(self, container):
        with self.lock:
            self._paused(container)
            self.event("pause", container)

    def unpause(self, container):
        with self.lock:
            container.state = "running"
            self.event("unpause", container)

    def rename(self, container, name):
        with self.lock:
            old, container.name = container.name, name
            self.event("rename", container, oldName="/" + old)

    def destroy(self, container):
        """docker rm -f."""
        with self.lock:
            if container.running:
                self.event("kill", container, signal="9")
                self._died(container, 137)
                self.event("die", container, exitCode="137")
            self.containers.pop(container.id, None)
            self.event("destroy", container)

    def set_health(self, container, status, streak=None, output="", event=True, told=None):
        """What a probe found; the event is sent unless event=False (a change that no event told).

        told: what the event says instead (Podman's HealthStatus lags behind inspect).
        """
        with self.lock:
            container.health = status
            container.streak = (container.retries or 3) if streak is None and status == "unhealthy" else streak or 0
            now = time.time_ns()
            container.log.append({"Start": rfc3339(now - 10_000_000), "End": rfc3339(now),
                                  "ExitCode": int(status == "unhealthy"), "Output": output})
            if event:
                self._health_event(container, told or status)

    def sicken(self, *containers, **kw):
        """They turn unhealthy, with the event."""
        for container in containers:
            self.set_health(container, "unhealthy", **kw)

    def event(self, action, container=None, type="container", health=None, **attributes):
        """Sends an event to every stream whose filters want it, and keeps it for since=."""
        with self.lock:
            self._send(self._event(action, container, type, health, attributes))

    def batch(self, *events):
        """Sends several events in one write: (action, container) or (action, container, attributes) each."""
        with self.lock:
            made = [self._event(action, container, "container", None, dict(*rest)) for action, container, *rest in events]
            for stream in self.streams:
                data = b"".join(self.event_json(e, stream.api) for e in made if stream.wants(e))
                if data:
                    stream.outbox.put(chunk(data))

    def emit(self, data):
        """Sends these bytes (a dict: as JSON and a line feed) as one chunk to every stream, unfiltered."""
        if isinstance(data, dict):
            data = json.dumps(data).encode() + b"\n"
        self.emit_wire(chunk(data))

    def emit_wire(self, data, cuts=(), pause=0.002):
        """Sends raw bytes, chunk headers being the caller's, cut at the positions with a pause between."""
        with self.lock:
            for stream in self.streams:
                for piece in pieces(data, cuts):
                    stream.outbox.put(piece)
                    if cuts:
                        stream.outbox.put(pause)

    def drop_streams(self):
        """Closes every event stream, in the middle of the body."""
        with self.lock:
            for stream in self.streams:
                stream.outbox.put(None)

    def event_json(self, event, api=(1, 51)):
        """One event as bytes, in the form of this flavour and API version, with its line feed."""
        out = {}
        if api < (1, 52):
            if event["type"] == "container":
                out.update(status=event["action"], id=event["id"])
                out["from"] = event["attributes"].get("image", "")
        out.update(Type=event["type"], Action=event["action"],
                   Actor={"ID": event["id"], "Attributes": event["attributes"]}, scope="local",
                   time=event["nano"] // SECOND, timeNano=event["nano"])
        if self.flavour == "podman" and event["health"]:
            out["HealthStatus"] = event["health"]
        if self.strange:
            out = estranged(out)
        return json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"

    def make_event(self, action, container, **attributes):
        """An event that is not sent, for event_json()."""
        with self.lock:
            return self._event(action, container, "container", None, attributes, keep=False)

    def set_clock(self, seconds):
        """From now on its clock is so much ahead of ours, and its answers carry a Date."""
        with self.lock:
            self.skew = int(seconds * SECOND)
            self.last_nano = 0

    # ---- the model: what happens inside

    def now(self):
        return time.time_ns() + (self.skew or 0)

    def _event(self, action, container, type, health, attributes, keep=True):
        self.last_nano = max(self.now(), self.last_nano + 1)
        own = {}
        if container:
            own = {**attributes, **container.labels, "image": container.image, "name": container.name}
        event = {"action": action, "type": type, "id": container.id if container else "3" * 64,
                 "attributes": own or attributes, "nano": self.last_nano, "health": health}
        if keep:
            self.ring.append(event)
        return event

    def _send(self, event):
        for stream in self.streams:
            if stream.wants(event):
                stream.outbox.put(chunk(self.event_json(event, stream.api)))

    def _health_event(self, container, status):
        if self.flavour == "podman":
            self.event("health_status", container, health=status)
        else:
            self.event(f"health_status: {status}", container)

    def _paused(self, container):
        container.state = "paused"
        self._fake_unhealthy(container)

    def _fake_unhealthy(self, container):
        if container.health and self.flavour != "podman":   # probing stops: "unhealthy", without an event or a failed probe
            container.health, container.streak = "unhealthy", 0

    def _died(self, container, exit_code):
        container.state, container.exit_code = "exited", exit_code
        container.finished_at = time.time_ns()
        self._fake_unhealthy(container)

    def _started(self, container, announce=True):
        container.state, container.exit_code = "running", 0
        container.started_at = time.time_ns()
        if container.has_healthcheck:
            container.health = "starting"
            if self.flavour != "podman":        # it goes on counting
                container.streak = 0
            if container.heals_after is not None:
                timer = threading.Timer(container.heals_after, self._healed, (container, container.started_at))
                timer.daemon = True
                timer.start()
        if announce:
            self.event("start", container)

    def _healed(self, container, started_at):
        with self.lock:
            if (container.started_at == started_at and container.state == "running" and container.health == "starting"
                    and container.id in self.containers):
                self.set_health(container, "healthy")

    def _stop(self, container, seconds=None):
        """The stop and its events but the wait outside the lock; the caller holds container.lock. It is killed after
        `seconds`, where they are given."""
        takes = container.stop_seconds if seconds is None else min(seconds, container.stop_seconds)
        allowed = seconds if seconds is not None else 10 if container.stop_timeout is None else container.stop_timeout
        with self.lock:
            if not container.running:
                return
            if container.state == "paused":
                container.state = "running"
            if self.flavour == "podman":
                container.state = "stopping"    # and Running is false already
            else:
                self.event("kill", container, signal="15")
        if container.sick_while_stopping is not None:
            time.sleep(container.sick_while_stopping)
            self.set_health(container, "unhealthy")
        time.sleep(max(0, takes - (container.sick_while_stopping or 0)))
        with self.lock:
            killed = container.stop_seconds >= allowed and (allowed > 0 or seconds is not None)
            if killed and self.flavour != "podman":
                self.event("kill", container, signal="9")
            self._died(container, 137 if killed else 143)
            order = ("stop", "die") if version_tuple(self.version)[0] >= 23 or self.flavour == "podman" else ("die", "stop")
            if self.flavour == "podman" and not self.tells_stop:
                order = ("die",)
            for action in order:
                words = ("containerExitCode", "exitCode") if self.flavour == "podman" else ("exitCode",)
                self.event(action, container,
                           **({word: str(container.exit_code) for word in words} if action == "die" else {}))

    def _restart(self, container, seconds=None):
        with container.lock:
            if self.flavour == "podman":
                self.event("restart", container)
            self._stop(container, seconds)
            if container.start_error:
                raise HTTPError(500, container.start_error)
            with self.lock:
                if container.id not in self.containers:
                    raise HTTPError(404, f"No such container: {container.id}")
                if self.flavour == "podman":
                    self.event("init", container)
                self._started(container)
                if self.flavour != "podman":
                    self.event("restart", container)
    def _replay(self, stream, since):
        for event in self.ring:
            if event["nano"] >= since and stream.wants(event):
                stream.outbox.put(chunk(self.event_json(event, stream.api)))

    # ---- what was asked of it

    def _of(self, container, action):
        names = "|".join(re.escape(n) for n in (container.id, container.name, container.short_id))
        return rf"^/containers/({names})/{action}$"

    def restarts(self, container):
        """The requests to restart this container."""
        return self.requests("POST", self._of(container, "restart"))

    def wait_restart(self, container, count=1, timeout=5.0):
        return self.wait_request("POST", self._of(container, "restart"), count, timeout)

    def wait_post(self, container, action, count=1, timeout=5.0):
        return self.wait_request("POST", self._of(container, action), count, timeout)
    # ---- what it answers

    def find(self, name):
        """By full id, name, or unique id prefix, as the engine resolves a container."""
        with self.lock:
            name = name.lstrip("/")
            if name in self.containers:
                return self.containers[name]
            for container in self.containers.values():
                if container.name == name:
                    return container
            hits = [c for c in self.containers.values() if name and c.id.startswith(name)]
            if len(hits) == 1:
                return hits[0]
        if self.flavour == "podman":
            raise HTTPError(404, f'no container with name or ID "{name}" found: no such container', "no such container")
        raise HTTPError(404, f"No such container: {name}")

    def _route(self, request, api):
        """Status, body[, headers] of an answer."""
        method, path = request.method, request.path
        if path == "/_ping" and method in ("GET", "HEAD"):
            return 200, "OK"
        if path == "/version" and method == "GET":
            name = "Podman Engine" if self.flavour == "podman" else "Engine"
            details = {"APIVersion": self.version, "MinAPIVersion": "4.0.0"} if self.flavour == "podman" else \
                {"ApiVersion": self.api, "MinAPIVersion": self.min_api}
            return 200, {"Platform": {"Name": ""}, "Components": [
                {"Name": name, "Version": self.version, "Details": details},
                {"Name": "runc", "Version": "1.1.5", "Details": {"GitCommit": "v1.1.5"}}],
                "Version": self.version, "ApiVersion": self.api, "MinAPIVersion": self.min_api, "GitCommit": "0000000",
                "GoVersion": "go1.24", "Os": "linux", "Arch": "amd64", "KernelVersion": "6.1.0"}
        if path == "/info" and method == "GET":
            return 200, {"ID": "scripted", "Name": "scripted", "ServerVersion": self.version}
        if path == "/containers/json" and method == "GET":
            return 200, self._list(request, api)
        match = re.match(r"/exec/([^/]+)/json$", path)
        if match and method == "GET":
            job = self._exec(match.group(1))
            return 200, {"ID": match.group(1), "Running": job["running"], "ExitCode": job["code"],
                         "ContainerID": job["container"].id, "Pid": 4711}
        match = re.match(r"/containers/([^/]+)/(json|restart|start|stop|kill|logs|exec)$", path)
        if not match:
            raise HTTPError(404, "page not found")
        container = self.find(urllib.parse.unquote(match.group(1)))
        action = match.group(2)
        if (action in ("json", "logs")) != (method == "GET"):
            raise HTTPError(404, "page not found")
        if action == "json":
            with self.lock:
                return 200, container.inspect(self.now() - time.time_ns())
        if action == "logs":
            return 200, container.log_stream(), {"Content-Type": "application/vnd.docker.raw-stream"}
        return getattr(self, "_post_" + action)(container, request)

    def _timeout(self, request):
        text = request.query.get("t")
        if text is None:
            return None
        if not re.fullmatch(r"-?\d+", text) or (self.flavour == "podman" and text.startswith("-")):
            raise HTTPError(400, f"failed to parse parameters: schema: error converting value for \"t\": {text}")
        return int(text)

    def _post_restart(self, container, request):
        seconds = self._timeout(request)
        if self.flavour == "podman":            # without t it kills at once (podman#29276)
            self._restart(container, seconds or 0)
        else:
            self._restart(container)
        return 204, None

    def _post_stop(self, container, request):
        self._timeout(request)
        with container.lock:
            if not container.running:
                return 304, None
            self._stop(container)
        return 204, None

    def _post_start(self, container, request):
        with container.lock:
            if container.state == "running":
                return 304, None
            if container.start_error:
                raise HTTPError(500, container.start_error)
            with self.lock:
                self._started(container)
        return 204, None

    def _exec(self, id):
        with self.lock:
            if id not in self.execs:
                raise HTTPError(404, f"No such exec instance: {id}")
            return self.execs[id]

    def _post_exec(self, container, request):
        if container.state != "running":
            raise HTTPError(409, f"Container {container.id} is {'paused' if container.state == 'paused' else 'not running'}")
        words = json.loads(request.body)["Cmd"]
        if not words or not all(isinstance(word, str) for word in words):
            raise HTTPError(400, "invalid Cmd")
        with self.lock:
            id = f"{len(self.execs) + 1:064x}"
            self.execs[id] = {"container": container, "words": words, "running": False, "code": None}
        return 201, {"Id": id}

    def _exec_start(self, connection, request):
        """Its output in frames, and no end but that of the connection. It goes on when the client has left."""
        job = self._exec(request.path.split("/")[2])
        if json.loads(request.body) != {"Detach": False, "Tty": False}:
            raise HTTPError(400, "not scripted")
        job["running"] = True
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n")
        code, output = job["container"].command(job["words"])
        data = output.encode()
        with contextlib.suppress(OSError):
            for piece in filter(None, (data[:7], data[7:])):
                connection.sendall(b"\2\0\0\0" + len(piece).to_bytes(4, "big") + piece)
        job.update(running=False, code=code)

    def _post_kill(self, container, request):
        if not container.running:
            raise HTTPError(409, f"Cannot kill container: {container.id}: Container {container.id} is not running")
        self.kill(container, request.query.get("signal", "KILL").replace("SIG", ""))
        return 204, None

    def _list(self, request, api):
        filters = parse_filters(request.query.get("filters"))
        unknown = set(filters) - {"label", "status", "health", "name", "id"}
        if unknown:
            raise HTTPError(400, f"invalid filter '{sorted(unknown)[0]}'")
        everything = request.query.get("all", "0").lower() in ("1", "true") or "status" in filters
        with self.lock:
            out = []
            for c in sorted(self.containers.values(), key=lambda c: -c.created):
                if not (everything or c.running):
                    continue
                if "label" in filters and not label_match(filters["label"], c.labels):
                    continue
                if "status" in filters and c.state not in filters["status"]:
                    continue
                if "health" in filters and (c.health or "none") not in filters["health"]:
                    continue
                if "id" in filters and not any(c.id.startswith(i) for i in filters["id"]):
                    continue
                if "name" in filters and not any(re.search(n, "/" + c.name) for n in filters["name"]):
                    continue
                out.append(c.list_item(api) if self.flavour == "docker" else c.podman_list_item())
            return out

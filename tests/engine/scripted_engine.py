"""A scripted Docker engine: it speaks the Docker API over a unix socket and/or TCP and does as a test tells it.

It keeps a model of containers, answers /version, /_ping, /events, /containers/json, /containers/X/json and
POST restart, start, stop, kill as dockerd (20.10 or 28 order of events) or Podman does, records every request
with a monotonic time, and misbehaves on demand (class Fault).

    engine = Engine(socket_path="/tmp/x/docker.sock").start()
    web = engine.add("web", labels={"autoheal": "true"})
    engine.set_health(web, "unhealthy")             # the event included
    engine.wait_request("POST", "/containers/.*/restart")
    engine.stop()

Threads: one per listener, one per connection. What a test does to the model happens at once under one lock;
what a client receives is written by its connection's thread.
"""
import collections
import contextlib
import datetime
import itertools
import json
import os
import queue
import random
import re
import select
import socket
import threading
import time
import urllib.parse

SECOND = 1_000_000_000
RING = 256
ZERO_TIME = "0001-01-01T00:00:00Z"
FUZZY_ACTIONS = ("health_status", "exec_create", "exec_start")


def version_tuple(text):
    return tuple(int(part) for part in text.split("."))


def rfc3339(nanoseconds):
    """Nanoseconds since 1970 as Docker prints times."""
    if not nanoseconds:
        return ZERO_TIME
    seconds, rest = divmod(nanoseconds, SECOND)
    return datetime.datetime.utcfromtimestamp(seconds).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:09d}Z"


def human_duration(seconds):
    """As go-units HumanDuration: the words of docker ps."""
    seconds = int(seconds)
    if seconds < 1:
        return "Less than a second"
    if seconds == 1:
        return "1 second"
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = seconds // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = round(seconds / 3600)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    return f"{hours // 24 // 7} weeks"


class Container:
    """One container of the model. Tests may set any member; the engine's methods send the events."""

    def __init__(self, name, labels=None, image="busybox:latest", id=None, state="running", health="healthy",
                 healthcheck=True, interval=0.5, timeout=0.5, retries=3, start_period=0.0, stop_timeout=None,
                 restart_policy="no", auto_remove=False, network_mode="default", stop_seconds=0.0,
                 heals_after=0.05, up=300.0, hostname=None, exit_code=0, streak=0):
        self.id = id or "%064x" % random.getrandbits(256)
        self.name = name
        self.labels = dict(labels or {})
        self.image = image
        self.state = state                      # created running paused restarting exited dead removing
        self.health = health if healthcheck else None
        self.streak = streak
        self.log = []
        self.has_healthcheck = healthcheck
        self.interval, self.timeout, self.retries, self.start_period = interval, timeout, retries, start_period
        self.stop_timeout = stop_timeout        # Config.StopTimeout, None: not in the JSON
        self.restart_policy = restart_policy
        self.auto_remove = auto_remove
        self.network_mode = network_mode
        self.stop_seconds = stop_seconds        # how long a stop takes
        self.heals_after = heals_after          # a start is followed by `healthy` so much later; None: never
        self.sick_while_stopping = None         # seconds after a stop's kill at which health_status: unhealthy is sent
        self.start_error = None                 # text of the 500 when it is started (the stop has worked)
        self.hostname = hostname or self.id[:12]
        self.exit_code = exit_code
        self.oom_killed = False
        self.restart_count = 0
        now = time.time_ns()
        self.created = now - int((up + 1) * SECOND)
        self.started_at = 0 if state == "created" else now - int(up * SECOND)
        self.finished_at = now - SECOND if state in ("exited", "dead") else 0
        self.lock = threading.Lock()            # one stop or start at a time, as in the engine

    @property
    def short_id(self):
        return self.id[:12]

    @property
    def running(self):
        return self.state in ("running", "paused", "restarting")

    def status_text(self):
        now = time.time_ns()
        up = human_duration((now - self.started_at) / SECOND)
        ago = human_duration((now - self.finished_at) / SECOND)
        if self.state == "paused":
            return f"Up {up} (Paused)"
        if self.state == "restarting":
            return f"Restarting ({self.exit_code}) {ago} ago"
        if self.state == "running":
            health = "health: starting" if self.health == "starting" else self.health
            return f"Up {up} ({health})" if self.health else f"Up {up}"
        return {"created": "Created", "dead": "Dead", "removing": "Removal In Progress"}.get(
            self.state, f"Exited ({self.exit_code}) {ago} ago")

    def list_item(self, api):
        item = {
            "Id": self.id, "Names": ["/" + self.name], "Image": self.image, "ImageID": "sha256:" + "1" * 64,
            "Command": "sleep 1000", "Created": self.created // SECOND, "Ports": [], "Labels": self.labels,
            "State": self.state, "Status": self.status_text(), "HostConfig": {"NetworkMode": self.network_mode},
            "NetworkSettings": {"Networks": {"bridge": {"IPAMConfig": None, "NetworkID": "2" * 64,
                                                        "IPAddress": "172.17.0.2"}}}, "Mounts": [],
        }
        if api >= (1, 52):
            item["Health"] = {"Status": self.health or "none", "FailingStreak": self.streak}
        return item

    def inspect(self):
        state = {
            "Status": self.state, "Running": self.running, "Paused": self.state == "paused",
            "Restarting": self.state == "restarting", "OOMKilled": self.oom_killed, "Dead": self.state == "dead",
            "Pid": 4242 if self.running else 0, "ExitCode": self.exit_code, "Error": "",
            "StartedAt": rfc3339(self.started_at), "FinishedAt": rfc3339(self.finished_at),
        }
        if self.health:
            state["Health"] = {"Status": self.health, "FailingStreak": self.streak, "Log": self.log[-5:]}
        config = {"Hostname": self.hostname, "Image": self.image, "Labels": self.labels, "Cmd": ["sleep", "1000"]}
        if self.has_healthcheck:
            config["Healthcheck"] = {"Test": ["CMD", "true"], "Interval": int(self.interval * SECOND),
                                     "Timeout": int(self.timeout * SECOND),
                                     "StartPeriod": int(self.start_period * SECOND), "Retries": self.retries}
            if not self.retries:
                del config["Healthcheck"]["Retries"]
        if self.stop_timeout is not None:
            config["StopTimeout"] = self.stop_timeout
        return {
            "Id": self.id, "Created": rfc3339(self.created), "Path": "sleep", "Args": ["1000"], "State": state,
            "Image": "sha256:" + "1" * 64, "Name": "/" + self.name, "RestartCount": self.restart_count,
            "HostConfig": {"NetworkMode": self.network_mode, "AutoRemove": self.auto_remove,
                           "RestartPolicy": {"Name": self.restart_policy, "MaximumRetryCount": 0}},
            "Config": config, "NetworkSettings": {"IPAddress": "172.17.0.2", "Networks": {}}, "Mounts": [],
        }


class Request:
    """What a client asked: time (monotonic), method, version ('1.47' or ''), path without it, query, headers, body."""

    def __init__(self, method, target, headers, body, connection):
        self.time = time.monotonic()
        self.answered = None                    # when its answer was written
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.connection = connection            # a number per connection
        raw, _, query = target.partition("?")
        match = re.match(r"/v(\d+\.\d+)(/.*)", raw)
        self.version, self.path = (match.group(1), match.group(2)) if match else ("", raw)
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def __repr__(self):
        return f"{self.method} {self.target}"


class Fault:
    """A misbehaviour of one endpoint; made by Engine.fault(), ended by remove() or after `times` requests.

    also        called with the request before anything else
    before      seconds until the request is acted on
    status,body,headers   an answer in place of the engine's own; nothing is done to the model
    delay       seconds between what is done and the answer
    black_hole  the answer never comes
    garbage     these bytes in place of an answer, then the connection is closed (b'': just closed)
    close_after the answer is cut after so many bytes and the connection closed
    cuts, pause the answer is written in pieces, cut at these byte positions, with a pause between
    rewrite     called with the answer's bytes, returns others
    """

    def __init__(self, engine, method, pattern, times=None, also=None, before=0, status=None, body=None, headers=None,
                 delay=0, black_hole=False, garbage=None, close_after=None, cuts=(), pause=0.002, rewrite=None):
        self.engine, self.method, self.pattern, self.times = engine, method, re.compile(pattern), times
        self.also, self.before, self.status, self.body, self.headers = also, before, status, body, headers
        self.delay, self.black_hole, self.garbage, self.close_after = delay, black_hole, garbage, close_after
        self.cuts, self.pause, self.rewrite = cuts, pause, rewrite
        self.hits = 0

    def takes(self, request):
        return (self.method in (None, request.method) and self.pattern.search(request.path)
                and (self.times is None or self.hits < self.times))

    def remove(self):
        with self.engine.lock:
            if self in self.engine.faults:
                self.engine.faults.remove(self)


class Stream:
    """One open GET /events: its filters and the bytes that wait to be written by its thread."""

    def __init__(self, request, api, filters):
        self.request, self.api, self.filters = request, api, filters
        self.outbox = queue.Queue()             # bytes to write in one piece; a number: a pause in seconds; None: close
        self.open = True

    def wants(self, event):
        for key, values in self.filters.items():
            if key == "type" and event["type"] not in values:
                return False
            if key == "event":
                if any(value in FUZZY_ACTIONS for value in values):
                    if not any(event["action"].startswith(value) for value in values):
                        return False
                elif event["action"] not in values:
                    return False
            if key == "container" and event["id"] not in values and event["attributes"].get("name") not in values:
                return False
            if key == "label" and not label_match(values, event["attributes"]):
                return False
        return True


def label_match(wanted, labels):
    for want in wanted:
        name, eq, value = want.partition("=")
        if name not in labels or (eq and labels[name] != value):
            return False
    return True


def parse_filters(text):
    """The filters= of a query as {name: [values]}, from the list or the map form."""
    return {key: list(values) for key, values in json.loads(text or "{}").items()}


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class HTTPError(Exception):
    def __init__(self, status, message, cause=None):
        super().__init__(message)
        self.status, self.message, self.cause = status, message, cause


class Engine:
    def __init__(self, socket_path=None, tcp=False, version="28.5.2", api="1.51", min_api="1.24", flavour="docker"):
        assert flavour in ("docker", "podman")
        self.socket_path = str(socket_path) if socket_path else None
        self.tcp = tcp
        self.port = None
        self.version, self.api, self.min_api, self.flavour = version, api, min_api, flavour
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.containers = {}                    # id -> Container
        self.log = []                           # every Request
        self.faults = []
        self.streams = []
        self.ring = collections.deque(maxlen=RING)
        self.last_nano = 0
        self.listeners = []
        self.connections = {}                   # number -> socket
        self.numbers = itertools.count(1)
        self.problems = []                      # exceptions of the engine's own threads: a bug of the test
        self.accepting = False
        self.lag = {}                           # action: seconds by which its event, and what follows it, comes late

    # ---- life

    def start(self):
        """Opens the listeners; after stop() again on the same path and port."""
        with self.lock:
            self.accepting = True
            if self.socket_path:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.socket_path)
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(self.socket_path)
                self._listen(listener)
            if self.tcp:
                listener = socket.socket()
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", self.port or 0))
                self.port = listener.getsockname()[1]
                self._listen(listener)
        return self

    def stop(self, keep_path=False):
        """Closes listeners and connections, as a daemon that dies; keep_path leaves the socket's file (refused)."""
        with self.lock:
            self.accepting = False
            for listener in self.listeners:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()
            self.listeners.clear()
            if self.socket_path and not keep_path:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.socket_path)
            for connection in list(self.connections.values()):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for stream in self.streams:
                stream.outbox.put(None)

    @property
    def url(self):
        return f"unix://{self.socket_path}" if self.socket_path else f"tcp://127.0.0.1:{self.port}"

    def _listen(self, listener):
        listener.listen(1024)
        self.listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if connection.family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = next(self.numbers)
            with self.lock:
                if not self.accepting:
                    connection.close()
                    return
                self.connections[number] = connection
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

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
        return json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def make_event(self, action, container, **attributes):
        """An event that is not sent, for event_json()."""
        with self.lock:
            return self._event(action, container, "container", None, attributes, keep=False)

    # ---- the model: what happens inside

    def _event(self, action, container, type, health, attributes, keep=True):
        self.last_nano = max(time.time_ns(), self.last_nano + 1)
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

    @staticmethod
    def _fake_unhealthy(container):
        if container.health:                    # probing stops: "unhealthy", without an event or a failed probe
            container.health, container.streak = "unhealthy", 0

    def _died(self, container, exit_code):
        container.state, container.exit_code = "exited", exit_code
        container.finished_at = time.time_ns()
        self._fake_unhealthy(container)

    def _started(self, container, announce=True):
        container.state, container.exit_code = "running", 0
        container.started_at = time.time_ns()
        if container.has_healthcheck:
            container.health, container.streak = "starting", 0
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

    def _stop(self, container):
        """The stop and its events but the wait outside the lock; the caller holds container.lock."""
        with self.lock:
            if not container.running:
                return
            if container.state == "paused":
                container.state = "running"
            if self.flavour != "podman":
                self.event("kill", container, signal="15")
        if container.sick_while_stopping is not None:
            time.sleep(container.sick_while_stopping)
            self.set_health(container, "unhealthy")
        time.sleep(max(0, container.stop_seconds - (container.sick_while_stopping or 0)))
        with self.lock:
            killed = container.stop_seconds >= (10 if container.stop_timeout is None else container.stop_timeout) > 0
            if killed and self.flavour != "podman":
                self.event("kill", container, signal="9")
            self._died(container, 137 if killed else 143)
            order = ("stop", "die") if version_tuple(self.version)[0] >= 23 or self.flavour == "podman" else ("die", "stop")
            for action in order:
                word = "containerExitCode" if self.flavour == "podman" else "exitCode"
                self.event(action, container, **({word: str(container.exit_code)} if action == "die" else {}))

    def _restart(self, container):
        with container.lock:
            if self.flavour == "podman":
                self.event("restart", container)
            self._stop(container)
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

    # ---- what was asked of it

    def requests(self, method=None, pattern=""):
        """The requests so far whose path (without /v1.x) matches, in order."""
        with self.lock:
            return [r for r in self.log if method in (None, r.method) and re.search(pattern, r.path)]

    def wait_request(self, method=None, pattern="", count=1, timeout=5.0):
        """Waits for the count-th such request and returns it."""
        def enough():
            found = self.requests(method, pattern)
            return found[count - 1] if len(found) >= count else None
        with self.changed:
            found = self.changed.wait_for(enough, timeout)
        if not found:
            raise AssertionError(f"waited {timeout} s in vain for {method} {pattern} ({count}x); "
                                 f"there were: {self.log[-40:]}")
        return found

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

    def posts(self):
        """All requests that are no reads."""
        with self.lock:
            return [r for r in self.log if r.method not in ("GET", "HEAD")]

    def forbidden(self):
        """The requests that a healer has no business to send (create, remove, rename, update, exec, prune ...)."""
        allowed = re.compile(r"^/containers/[^/]+/(restart|start|stop|kill)$")
        return [r for r in self.posts() if r.method != "POST" or not allowed.match(r.path)]

    def forget_requests(self):
        with self.lock:
            self.log.clear()

    def wait_stream(self, count=1, timeout=5.0):
        """Waits until so many event streams are open; returns the newest."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.streams) >= count, timeout):
                raise AssertionError(f"waited {timeout} s in vain for {count} event stream(s)")
            return self.streams[-1]

    def fault(self, method=None, pattern="", **kw):
        """Makes an endpoint misbehave; the newest matching fault counts. Keywords: those of Fault."""
        fault = Fault(self, method, pattern, **kw)
        with self.lock:
            self.faults.insert(0, fault)
        return fault

    # ---- HTTP

    def _serve(self, connection, number):
        try:
            reader = connection.makefile("rb")
            while self._one_request(connection, reader, number):
                pass
        except (OSError, ValueError):
            pass
        except Exception as e:  # noqa: BLE001 - shown at the end of the test
            self.problems.append(e)
        finally:
            with self.lock:
                self.connections.pop(number, None)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _one_request(self, connection, reader, number):
        line = reader.readline().decode("latin-1")
        if not line.strip():
            return False
        method, target, _ = line.split(" ", 2)
        headers = {}
        while (header := reader.readline().decode("latin-1").strip()):
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", 0)))
        request = Request(method, target, headers, body, number)
        with self.changed:
            self.log.append(request)
            fault = next((f for f in self.faults if f.takes(request)), None)
            if fault:
                fault.hits += 1
            self.changed.notify_all()
        if fault:
            if fault.also:
                fault.also(request)
            time.sleep(fault.before)
            if fault.black_hole:
                while connection.recv(4096):
                    pass
                return False
            if fault.garbage is not None:
                connection.sendall(fault.garbage)
                return False
        if fault and fault.status:
            answer = self._answer(fault.status, fault.body or b"", fault.headers)
        else:
            try:
                api = self._check_version(request)
                if request.path == "/events" and method == "GET":
                    self._events(connection, request, api, fault)
                    return False
                answer = self._answer(*self._route(request, api), head=method == "HEAD")
            except HTTPError as e:
                answer = self._answer(e.status, self._error(e))
        if fault:
            time.sleep(fault.delay)
            if fault.rewrite:
                answer = fault.rewrite(answer)
            if fault.close_after is not None:
                connection.sendall(answer[:fault.close_after])
                return False
            if fault.cuts:
                for piece in pieces(answer, fault.cuts):
                    connection.sendall(piece)
                    time.sleep(fault.pause)
                answer = b""
        connection.sendall(answer)
        request.answered = time.monotonic()
        return headers.get("connection", "").lower() != "close"

    def _error(self, error):
        if self.flavour == "podman":
            return {"cause": error.cause or error.message, "message": error.message, "response": error.status}
        return {"message": error.message}

    def _headers(self, extra=()):
        server = f"Libpod/{self.version} (linux)" if self.flavour == "podman" else f"Docker/{self.version} (linux)"
        out = {"Api-Version": self.api, "Server": server}
        out.update({"Libpod-Api-Version": self.version} if self.flavour == "podman" else
                   {"Docker-Experimental": "false", "Ostype": "linux"})
        out.update(extra or {})
        return out

    def _answer(self, status, body=None, headers=None, head=False):
        """The bytes of an answer, chunked when it is long, as Go's server does."""
        reason = {200: "OK", 204: "No Content", 304: "Not Modified", 400: "Bad Request", 403: "Forbidden",
                  404: "Not Found", 409: "Conflict", 500: "Internal Server Error"}.get(status, "Whatever")
        fields = self._headers(headers)
        if isinstance(body, (dict, list)):
            fields.setdefault("Content-Type", "application/json")
            body = json.dumps(body).encode() + b"\n"
        elif isinstance(body, str):
            body = body.encode()
        body = body or b""
        chunked = len(body) > 2048
        if chunked:
            fields["Transfer-Encoding"] = "chunked"
            body = b"".join(chunk(body[i:i + 4096]) for i in range(0, len(body), 4096)) + b"0\r\n\r\n"
        elif status not in (204, 304):
            fields["Content-Length"] = str(len(body))
        text = f"HTTP/1.1 {status} {reason}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
        return text.encode() + (b"" if head else body)

    def _check_version(self, request):
        """The API version a request runs at; as the real engine, 400 outside the bounds."""
        if not request.version:
            return version_tuple(self.api)
        asked = version_tuple(request.version)
        if self.flavour == "podman":
            return asked
        if asked > version_tuple(self.api):
            raise HTTPError(400, f"client version {request.version} is too new. "
                                 f"Maximum supported API version is {self.api}")
        if asked < version_tuple(self.min_api):
            raise HTTPError(400, f"client version {request.version} is too old. Minimum supported API version is "
                                 f"{self.min_api}, please upgrade your client to a newer version")
        return asked

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
            return 200, {"Platform": {"Name": ""}, "Version": self.version, "ApiVersion": self.api,
                         "MinAPIVersion": self.min_api, "GitCommit": "0000000", "GoVersion": "go1.24",
                         "Os": "linux", "Arch": "amd64", "KernelVersion": "6.1.0"}
        if path == "/info" and method == "GET":
            return 200, {"ID": "scripted", "Name": "scripted", "ServerVersion": self.version}
        if path == "/containers/json" and method == "GET":
            return 200, self._list(request, api)
        match = re.match(r"/containers/([^/]+)/(json|restart|start|stop|kill|logs)$", path)
        if not match:
            raise HTTPError(404, "page not found")
        container = self.find(urllib.parse.unquote(match.group(1)))
        action = match.group(2)
        if (action in ("json", "logs")) != (method == "GET"):
            raise HTTPError(404, "page not found")
        if action == "json":
            with self.lock:
                return 200, container.inspect()
        if action == "logs":
            return 200, b""
        return getattr(self, "_post_" + action)(container, request)

    def _timeout(self, request):
        text = request.query.get("t")
        if text is None:
            return None
        if not re.fullmatch(r"-?\d+", text) or (self.flavour == "podman" and text.startswith("-")):
            raise HTTPError(400, f"failed to parse parameters: schema: error converting value for \"t\": {text}")
        return int(text)

    def _post_restart(self, container, request):
        self._timeout(request)
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
                out.append(c.list_item(api))
            return out

    def _events(self, connection, request, api, fault):
        filters = parse_filters(request.query.get("filters"))
        known = {"type", "event", "container", "label", "image", "scope", "daemon"}
        if set(filters) - known:
            raise HTTPError(400, f"invalid filter '{sorted(set(filters) - known)[0]}'")
        stream = Stream(request, api, filters)
        fields = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        head = "HTTP/1.1 200 OK\r\n" + "".join(f"{k}: {v}\r\n" for k, v in self._headers(fields).items()) + "\r\n"
        stream.outbox.put(head.encode())        # the first it writes, so nothing falls between header and events
        with self.changed:
            if "since" in request.query:
                seconds, _, nanos = request.query["since"].partition(".")
                since = int(seconds) * SECOND + int((nanos + "0" * 9)[:9])
                for event in self.ring:
                    if event["nano"] >= since and stream.wants(event):
                        stream.outbox.put(chunk(self.event_json(event, api)))
            if "until" in request.query:
                stream.outbox.put(b"0\r\n\r\n")
                stream.outbox.put(None)
            self.streams.append(stream)
            self.changed.notify_all()
        sent = 0
        try:
            while True:
                try:
                    item = stream.outbox.get(timeout=0.1)
                except queue.Empty:
                    if select.select([connection], [], [], 0)[0] and not connection.recv(4096):
                        return
                    continue
                if item is None:
                    return
                if isinstance(item, (int, float)):
                    time.sleep(item)
                    continue
                time.sleep(max((s for action, s in self.lag.items() if b'"Action":"%s"' % action.encode() in item), default=0))
                if fault and fault.close_after is not None and sent + len(item) > fault.close_after:
                    connection.sendall(item[:fault.close_after - sent])
                    return
                connection.sendall(item)
                sent += len(item)
        finally:
            with self.changed:
                stream.open = False
                self.streams.remove(stream)
                self.changed.notify_all()


def pieces(data, cuts):
    """data cut at the byte positions."""
    edges = [0, *sorted(c for c in cuts if 0 < c < len(data)), len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:])]

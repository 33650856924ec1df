"""A stand-in for autoheal's API that serves the packed page: canned answers, kept changes.

Alone it is a way to look at the page while working on it:
    python3 tests/page/mock.py [PORT]
"""

import copy
import gzip
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

TOP = Path(__file__).resolve().parents[2]
MODULES = re.search(r"^PAGE_JS = (.*)$", (TOP / "Makefile").read_text(), re.M)[1].split()
SOURCES = [TOP / "page" / name for name in ("index.html", "page.css", *(f"{m}.js" for m in MODULES))]
CSP = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
       "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
TOKEN = "a-token/with+signs="
SCRIPT = "<script>document.title='owned'</script>"
IMAGE = "<img src=x onerror=\"document.title='owned'\">"


def pack(out, sources=SOURCES):
    """Runs the packer; returns the C source."""
    subprocess.run(["sh", TOP / "tools/pack-page.sh", out, *sources], check=True)
    return Path(out).read_text()


def unpack(source):
    """The table of a packed C source: {path: (type, etag, gzip bytes)}."""
    arrays = {name: bytes.fromhex(re.sub(r"0x|[\s,]", "", body)) for name, body in
              re.findall(r"static const unsigned char (\w+)\[\] = \{([^}]*)\};", source)}
    rows = re.findall(r'^\t\{"([^"]+)", "([^"]+)", "\\"(\w+)\\"", (\w+), sizeof (\w+)\},$', source, re.M)
    assert rows and all(a == b for _, _, _, a, b in rows)
    return {path: (kind, f'"{etag}"', arrays[name]) for path, kind, etag, name, _ in rows}


def stamp(seconds_ago=0.0):
    t = time.time() - seconds_ago
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t % 1 * 1000):03d}Z"


def container(number, name, image, phase="watching", health="healthy", streak=0, status="running",
              restarts=0, reason="label autoheal=true", after=None, action="restart", because="",
              project="shop", exit_code=None):
    full = f"{number:02x}" + f"{number * 7919:062x}"[::-1]
    return {
        "id": full[:12], "full_id": full, "name": name, "image": image, "status": status,
        "state": {"status": status, "running": status == "running", "paused": status == "paused",
                  "restarting": None, "exit_code": exit_code, "started_at": None,
                  "finished_at": None, "oom_killed": None},
        "labels": {"autoheal": "true", "com.docker.compose.project": project},
        "health": {"status": health, "failing_streak": streak} if health else None,
        "restart_count": restarts, "monitored": phase != "unwatched",
        "quarantined": phase == "quarantined", "stable_id": name, "host": "local",
        "reason": reason, "phase": phase,
        "next_action": None if after is None else
        {"action": action, "at": stamp(-after), "in_seconds": after, "reason": because},
    }


def canned_containers():
    return [
        container(1, "web", "ghcr.io/example/shop-web:2.14.1", restarts=3),
        container(2, "api", "ghcr.io/example/shop-api:2.14.1", "verifying", "starting", restarts=1,
                  after=96.0, action="verify", because="healthy is awaited until then"),
        container(3, "worker", "ghcr.io/example/shop-worker:2.14.1", "waiting", "unhealthy", 5,
                  restarts=2, after=14.0, because="back-off after 2 restarts that did not help"),
        container(4, "postgres", "postgres:17", reason="chosen by a person"),
        container(5, "search", "opensearchproject/opensearch:2.19", "quarantined", "unhealthy", 41,
                  restarts=4, after=2710.0, because="one further try per hour"),
        container(6, "cache", "valkey/valkey:8", "hands_off", None, status="exited", exit_code=0,
                  reason="label autoheal=true; stopped by a person"),
        container(7, "backup-2025-11", "restic/restic:0.18", "unwatched", None, status="exited",
                  exit_code=0, reason="no label autoheal=true", project=""),
        container(8, "autoheal", "autoheal:1.0.0", "unwatched", reason="autoheal's own container",
                  project="ops"),
        container(9, "mail", "docker.io/mailserver/docker-mailserver:15", "restarting", "unhealthy", 3,
                  restarts=1, project="mail"),
        container(10, SCRIPT, f"evil:{IMAGE}", "unwatched", None, reason=f"label says {IMAGE}",
                  project=f"<b>{SCRIPT}</b>"),
    ]


def canned_events():
    rows = [  # seconds ago, kind, status, container, message, more
        (93000, "engine_connected", "connected", "", "Connected to Docker 28.5.1 at unix:///var/run/docker.sock", {}),
        (92999, "auto_monitor", "enabled", "web", "Automatically added to monitoring due to autoheal=true label", {}),
        (9200, "selection", "selected", "postgres", "Selected by a person", {}),
        (7300, "maintenance", "enabled", "", "Maintenance until 12:30: no action is taken", {}),
        (5400, "maintenance", "disabled", "", "Maintenance ended", {}),
        (4100, "quarantine", "quarantined", "search",
         "4 restarts within 10 min did not help. Look at its logs, then release it here, or fix it: it is released once it stays healthy.", {}),
        (1900, "dependent_restart", "success", "sidecar", "Shares the network of web, which was restarted", {"duration_ms": 640}),
        (610, "skipped", "stopped", "cache", "Not restarted: a person stopped it", {}),
        (304, "restart", "success", "web", "Unhealthy: 3 probes failed in a row",
         {"action": "restart", "restart_count": 3, "exit_code": 137, "duration_ms": 10240,
          "health_output": "curl: (7) Failed to connect to localhost port 8080 after 0 ms: Connection refused"}),
        (291, "recovered", "healthy", "web", "Healthy again", {"restart_count": 3, "duration_ms": 13150}),
        (120, "verdict", "down", SCRIPT, f"An outside monitor says down: {SCRIPT} {IMAGE}",
         {"health_output": IMAGE + "\n" + SCRIPT}),
        (46, "not_recovered", "timeout", "worker", "Still unhealthy 120 s after its restart", {"restart_count": 2}),
        (24, "restart", "success", "api", "Exited with code 139 without a stop before it",
         {"action": "start", "restart_count": 1, "exit_code": 139, "duration_ms": 310}),
        (3, "restart", "failure", "mail", "The engine answered 500: driver failed programming external connectivity",
         {"action": "restart", "restart_count": 1}),
    ]
    return [{"timestamp": stamp(ago), "container_id": f"{seq:064x}" if name else "",
             "container_name": name, "event_type": kind, "restart_count": 0, "status": status,
             "message": message, "seq": seq, "host": "local", "stable_id": name, **more}
            for seq, (ago, kind, status, name, message, more) in enumerate(rows, 1)]


def canned_incidents():
    return [
        {"id": "18c1", "stable_id": "web", "container_name": "web", "host": "local", "opened": stamp(7300), "closed": stamp(7288),
         "cause": "crash", "detected_by": "event", "outcome": "recovered", "seconds_to_recover": 12.4,
         "actions": [{"at": stamp(7298), "action": "start", "status": "success", "duration_ms": 410, "error": None}],
         "evidence": {"exit_code": 139, "oom_killed": True, "probes": [], "log": "terminate called after throwing an instance of 'std::bad_alloc'"}},
        {"id": "18c2", "stable_id": "web", "container_name": "web", "host": "local", "opened": stamp(304), "closed": stamp(291),
         "cause": "unhealthy", "detected_by": "event", "outcome": "recovered", "seconds_to_recover": 13.15,
         "actions": [{"at": stamp(304), "action": "restart", "status": "failure", "duration_ms": 30000, "error": "500: cannot stop container"},
                     {"at": stamp(296), "action": "restart", "status": "success", "duration_ms": 10240, "error": None}],
         "evidence": {"exit_code": 0, "oom_killed": False,
                      "probes": [{"end": stamp(309), "exit_code": 0, "output": "ok"},
                                 {"end": stamp(304), "exit_code": 1, "output": f"curl: (7) Failed to connect {SCRIPT} {IMAGE}"}],
                      "log": f"GET / 200\nGET / 500 {SCRIPT}\n\x1b[31mfatal\x1b[0m: out of sockets"}},
    ]


CONFIG = {
    "monitor": {"interval_seconds": 30, "label_key": "autoheal", "label_value": "true", "include_all": False, "start_period_seconds": 0},
    "containers": {"selected": ["postgres", "web"], "excluded": [], "restart_counts": {"web": 3}, "selected_by": {"postgres": "person", "web": "label"}},
    "restart": {"mode": "both", "cooldown_seconds": 60, "max_restarts": 3, "max_restarts_window_seconds": 600,
                "backoff": {"enabled": True, "initial_seconds": 10, "multiplier": 2.0, "max_seconds": 300},
                "recovery_timeout_seconds": 120, "quarantine_retry_seconds": 3600, "unhealthy_for_seconds": 0, "stop_timeout_seconds": None,
                "dependents": True, "max_parallel": 32, "storm": "50%", "dry_run": False},
    "filters": {"whitelist_names": [], "blacklist_names": ["backup-*"], "projects": []},
    "observability": {"log_level": "INFO", "log_format": "text"},
    "notifications": {"event_filters": ["restart", "recovered", "quarantine"],
                      "services": [{"name": "discord", "url": "discord://***", "enabled": True}, {"name": "pager", "url": "***", "enabled": True}]},
    "custom_health_checks": [],
    "locked": ["restart.cooldown_seconds"],
}


def second_host(mock, host="attic"):
    """Another engine, with a container of the same name as one of the first."""
    mock.hosts.append(host)
    mock.containers.append({**container(11, "web", "ghcr.io/example/attic-web:1"), "host": host, "stable_id": f"{host}/web"})
    last = mock.events[-1]
    for kind, status, name in ("restart", "success", "web"), ("config", "events_cleared", ""):
        mock.events.append({**last, "seq": mock.events[-1]["seq"] + 1, "timestamp": stamp(), "event_type": kind,
                            "status": status, "container_name": name, "stable_id": name and f"{host}/web",
                            "container_id": mock.containers[-1]["full_id"] if name else "", "host": host if name else ""})


class Mock:
    """The answers. Tests set `failing` to {path: (status, body)}, or None as the body's place to hang up;
    `requests` is what was asked: (method, path, Authorization, body)."""

    def __init__(self, files):
        self.files = files
        self.containers = canned_containers()
        self.events = canned_events()
        self.incidents = canned_incidents()
        self.config = copy.deepcopy(CONFIG)
        self.hosts = ["local"]
        self.lost = {}  # host -> error
        self.maintenance = None  # (since, until)
        self.dry_run = self.storm = False
        self.failing = {}
        self.requests = []
        self.resumed = []  # Last-Event-ID of each stream
        self.news = threading.Condition()
        self.cuts = 0  # a stream ends when this grows
        self.begun = time.time() - 93012

    # -- what a test makes happen

    def push(self, kind, status, container="", message="", **more):
        """One more event, for the streams too."""
        with self.news:
            seq = self.events[-1]["seq"] + 1 if self.events else 1
            found = self.find(container)
            self.events.append({"timestamp": stamp(), "container_id": found["full_id"] if found else "", "container_name": container,
                                "event_type": kind, "restart_count": 0, "status": status, "message": message, "seq": seq,
                                "host": "local", "stable_id": container, **more})
            self.news.notify_all()
        return seq

    def cut(self):
        """All streams end."""
        with self.news:
            self.cuts += 1
            self.news.notify_all()

    def find(self, name):
        return next((c for c in self.containers if name in (c["name"], c["full_id"], f"{c['host']}/{c['full_id']}")), None)

    def paths(self, method="GET"):
        return [path for m, path, _, _ in self.requests if m == method]

    # -- answers

    def engine(self, host):
        return {"host": host, "url": "unix:///var/run/docker.sock", "connected": host not in self.lost,
                "engine": "Docker", "version": "28.5.1", "api_version": "1.51", "events": 8123,
                "reconnects": 1, "audit_repairs": 0, "last_audit": stamp(11), "error": self.lost.get(host)}

    def status(self):
        return {"monitoring_active": True, "docker_connected": len(self.lost) < len(self.hosts),
                "total_containers": len(self.containers),
                "monitored_containers": sum(c["monitored"] for c in self.containers),
                "quarantined_containers": sum(c["quarantined"] for c in self.containers),
                "maintenance_mode": bool(self.maintenance),
                "maintenance_start_time": self.maintenance and self.maintenance[0],
                "maintenance_until": self.maintenance and self.maintenance[1], "version": "1.0.0",
                "uptime_seconds": time.time() - self.begun, "dry_run": self.dry_run, "storm": self.storm,
                "sandbox": {"seccomp": True, "landlock": True, "no_new_privileges": True},
                "engines": [self.engine(host) for host in self.hosts]}

    def health(self):
        engines = [{key: self.engine(host)[key] for key in ("host", "connected", "last_audit", "error")} for host in self.hosts]
        connected = any(e["connected"] for e in engines)
        reason = {} if connected else {"reason": "; ".join(f"{h}: {e}" for h, e in self.lost.items())}
        return (200 if connected else 503), {
            "status": "healthy" if connected else "unhealthy", "timestamp": stamp(), "docker_connected": connected,
            "monitoring_active": True, "last_audit": stamp(11), "engines": engines, **reason}

    def read_events(self, query):
        wanted = query.get("type", [""])[0].split(",")
        return [e for e in self.events if (wanted == [""] or e["event_type"] in wanted) and
                e["seq"] > int(query.get("since", ["0"])[0])][-int(query["limit"][0]):]

    def read(self, path, query):
        """(status, value) of a GET."""
        if path == "/health":
            return self.health()
        if path == "/api/status":
            return 200, self.status()
        if path == "/api/containers":
            assert query["include_stopped"] == ["true"]
            return 200, self.containers
        if path == "/api/events":
            return 200, self.read_events(query)
        if path in ("/api/config", "/api/config/export"):
            return 200, self.config
        if path == "/api/maintenance/status":
            return 200, self.maintenance_status()
        if path.startswith("/api/containers/"):
            name, what = re.fullmatch(r"/api/containers/(.*?)(/explain|/incidents|)", path).groups()
            c = self.find(name)
            if not c:
                return 404, {"error": f"no container '{name}'"}
            if what == "/incidents":
                return 200, [i for i in self.incidents if i["stable_id"] == c["stable_id"]]
            if what == "/explain":
                steps = [{"question": "is it excluded?", "answer": "no", "because": "it does not fit"},
                         {"question": "is it watched?", "answer": "yes" if c["monitored"] else "no", "because": c["reason"]}]
                return 200, {"container": c["name"], "host": c["host"], "watched": c["monitored"], "phase": c["phase"], "steps": steps,
                             "next_action": c["next_action"], "text": f"'{c['name']}' on {c['host']} is {c['phase']}: {c['reason']}."}
            return 200, c
        return 404, {"error": f"no such path: {path}"}

    def select(self, body, query):
        answer = {"selected": [], "excluded": [], "unknown": []}
        for wanted in body["container_ids"]:
            for c in self.containers:
                if c["full_id"] == wanted and query.get("host", [c["host"]]) == [c["host"]]:
                    c["monitored"] = body["enabled"]
                    c["phase"] = "watching" if body["enabled"] else "unwatched"
                    c["reason"] = "chosen by a person" if body["enabled"] else "excluded"
                    c["next_action"] = None
                    answer["selected" if body["enabled"] else "excluded"].append(c["stable_id"])
                    self.push("selection", "selected" if body["enabled"] else "excluded", c["name"], "By a person")
        return 200, answer

    def maintenance_status(self):
        since, until = self.maintenance or (None, None)
        return {"maintenance_mode": bool(self.maintenance), "maintenance_start_time": since, "until": until}

    def until(self, body):
        span = str((body or {}).get("for", "") or "")
        return stamp(-int(span[:-1]) * {"m": 60, "h": 3600}[span[-1]]) if span else None

    def change(self, method, path, body, query):
        """(status, value) of a call that changes something."""
        if path == "/api/containers/select":
            return self.select(body, query)
        if path in ("/api/maintenance/enable", "/api/maintenance/disable"):
            on = path.endswith("enable")
            self.maintenance = (stamp(), self.until(body)) if on else None
            self.push("maintenance", "enabled" if on else "disabled", message="By a person")
            return 200, self.maintenance_status()
        if (method, path) == ("PUT", "/api/config"):
            return self.put_config(body)
        if path == "/api/config/import":
            status, value = self.put_config({k: v for k, v in body.items() if k in self.config})
            return (status, value) if status != 200 else (200, {"imported": True, "ignored": sorted(set(body) - set(self.config) - {"autoheal"})})
        if path.startswith("/api/notifications/test/"):
            name = path.rpartition("/")[2]
            return 200, {"name": name, "delivered": True, "status": 204, "error": None} if name == "discord" else \
                {"name": name, "delivered": False, "status": None, "error": "the name is not known"}
        found = re.fullmatch(r"/api/containers/(.*)/(restart|unquarantine|snooze)", path)
        c = found and self.find(found[1])
        if not c:
            return 404, {"error": f"no such path: {path}"}
        if found[2] == "snooze":
            return 200, {"until": self.until(body)}
        if found[2] == "unquarantine":
            if not c["quarantined"]:
                return 409, {"error": "It is not in quarantine"}
            c.update(quarantined=False, phase="watching", next_action=None)
            self.push("unquarantine", "released", c["name"], "By a person")
            return 200, {"quarantined": False}
        if self.maintenance:
            return 409, {"error": "Maintenance: no action is taken"}
        c["phase"] = "verifying"
        self.push("restart", "success", c["name"], "By a person", action="restart")
        return 202, {"incident": "18c3"}

    def put_config(self, body):
        def put(old, new):
            """What new does not name keeps its value."""
            if not isinstance(old, dict) or not isinstance(new, dict):
                return new
            return {**old, **{name: put(old.get(name), value) for name, value in new.items()}}
        new = put(self.config, {name: value for name, value in body.items() if name != "locked"})
        for path in self.config["locked"]:
            section, name = path.split(".")
            if new[section][name] != self.config[section][name]:
                return 409, {"error": f"{path} is set by the environment", "member": path}
        if not isinstance(new["restart"]["max_restarts"], int):
            return 422, {"error": "restart.max_restarts must be a number, 0 or more", "member": "restart.max_restarts"}
        self.config = new
        self.push("config", "changed", message="By a person")
        return 200, self.config


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mock = None

    def log_message(self, *args):
        pass

    def send(self, status, kind, body, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", CSP)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, status, value, **headers):
        self.send(status, "application/json", json.dumps(value).encode(), **headers)

    def asked(self, body=None):
        path = urlsplit(self.path).path
        self.mock.requests.append((self.command, self.path, self.headers["Authorization"], body))
        if path not in self.mock.failing:
            return unquote(path)
        failure = self.mock.failing[path]
        if failure is None:
            self.close_connection = True
        else:
            self.send_json(*failure)
        return None

    def stream(self):
        """Server-Sent Events until the client goes or the stream is cut."""
        mock, last = self.mock, self.headers["Last-Event-ID"]
        with mock.news:
            mock.resumed.append(last)
            newest = mock.events[-1]["seq"] if mock.events else 0
            cuts, at = mock.cuts, int(last) if last else newest
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if at > newest:  # of a service before this one, which kept nothing
            self.wfile.write(b"event: gap\ndata: %s\n\n" % json.dumps({"from": at, "to": None}).encode())
            at = 0
        try:
            while True:
                with mock.news:
                    if mock.cuts != cuts:
                        return
                    new = [e for e in mock.events if e["seq"] > at]
                    if not new:
                        mock.news.wait(5)
                for e in new:
                    at = e["seq"]
                    self.wfile.write(f"id: {at}\nevent: {e['event_type']}\ndata: {json.dumps(e)}\n\n".encode())
                if not new:
                    self.wfile.write(b":\n\n")
                self.wfile.flush()
        except OSError:
            pass

    def do_GET(self):
        path = self.asked()
        if path is None:
            return
        if path in self.mock.files:
            kind, etag, body = self.mock.files[path]
            self.send(200, kind, body, Content_Encoding="gzip", ETag=etag, Cache_Control="no-cache")
        elif path == "/api/events/stream":
            self.stream()
        else:
            self.send_json(*self.mock.read(path, parse_qs(urlsplit(self.path).query)))

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = json.loads(raw) if raw else None
        path = self.asked(body)
        if path is None:
            return
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.send_json(401, {"error": "this needs the API token: Authorization: Bearer …"},
                           WWW_Authenticate="Bearer")
        elif raw and self.headers["Content-Type"] != "application/json":
            self.send_json(415, {"error": "The body must be sent as Content-Type: application/json"})
        else:
            self.send_json(*self.mock.change(self.command, path, body, parse_qs(urlsplit(self.path).query)))

    do_PUT = do_POST


class Server:
    """with Server(mock) as url: serves on a free port of the loopback."""

    def __init__(self, mock, port=0):
        handler = type("MockHandler", (Handler,), {"mock": mock})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}/"

    def __exit__(self, *error):
        self.server.RequestHandlerClass.mock.cut()
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        files = unpack(pack(f"{folder}/page_files.c"))
    with Server(Mock(files), int(sys.argv[1]) if len(sys.argv) > 1 else 8090) as address:
        print(f"{address} (token: {TOKEN})", flush=True)
        threading.Event().wait()

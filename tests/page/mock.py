"""A stand-in for autoheal's API that serves the packed page: canned answers, kept changes.

Alone it is a way to look at the page while working on it:
    python3 tests/page/mock.py [PORT]
"""

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
from urllib.parse import parse_qs, urlsplit

TOP = Path(__file__).resolve().parents[2]
SOURCES = [TOP / "page" / name for name in ("index.html", "page.css", "page.js")]
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
        self.hosts = ["local"]
        self.failing = {}
        self.requests = []
        self.begun = time.time() - 93012
        self.extra_script = None  # a driver that plays the person, for tests
        self.frame = None  # HTML of /frame, which may then hold the page: windows do not get narrow

    def engine(self, host):
        return {"host": host, "url": "unix:///var/run/docker.sock", "connected": True,
                "engine": "docker", "version": "28.5.1", "api_version": "1.51", "events": 8123,
                "reconnects": 1, "audit_repairs": 0, "last_audit": stamp(11), "error": None}

    def read(self, path, query):
        if path == "/health":
            return {"status": "healthy", "timestamp": stamp(), "docker_connected": True,
                    "monitoring_active": True, "last_audit": stamp(11),
                    "engines": [{"host": host, "connected": True, "last_audit": stamp(11), "error": None}
                                for host in self.hosts]}
        if path == "/api/status":
            return {"monitoring_active": True, "docker_connected": True,
                    "total_containers": len(self.containers),
                    "monitored_containers": sum(c["monitored"] for c in self.containers),
                    "quarantined_containers": sum(c["quarantined"] for c in self.containers),
                    "maintenance_mode": False, "maintenance_start_time": None, "version": "1.0.0",
                    "uptime_seconds": time.time() - self.begun, "dry_run": False, "storm": False,
                    "sandbox": {"seccomp": True, "landlock": True, "no_new_privileges": True},
                    "engines": [self.engine(host) for host in self.hosts]}
        if path == "/api/containers":
            assert query["include_stopped"] == ["true"]
            return self.containers
        if path == "/api/events":
            return self.events[-int(query["limit"][0]):]
        return None

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
        return answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mock = None

    def log_message(self, *args):
        pass

    def send(self, status, kind, body, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if not self.mock.frame:
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
            return path
        failure = self.mock.failing[path]
        if failure is None:
            self.close_connection = True
        else:
            self.send_json(*failure)
        return None

    def do_GET(self):
        path = self.asked()
        if path is None:
            return
        if path in self.mock.files:
            kind, etag, body = self.mock.files[path]
            if path == "/" and self.mock.extra_script:
                page = gzip.decompress(body).replace(
                    b"</body>", b'<script type="module" src="extra.js"></script></body>')
                body = gzip.compress(page)
            self.send(200, kind, body, Content_Encoding="gzip", ETag=etag, Cache_Control="no-cache")
        elif path == "/extra.js" and self.mock.extra_script:
            self.send(200, "text/javascript", self.mock.extra_script.encode())
        elif path == "/frame" and self.mock.frame:
            self.send(200, "text/html", self.mock.frame.encode())
        else:
            value = self.mock.read(path, parse_qs(urlsplit(self.path).query))
            self.send_json(200, value) if value is not None else self.send_json(404, {"error": f"no such path: {path}"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)))
        path = self.asked(body)
        if path is None:
            return
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.send_json(401, {"error": "this needs the API token: Authorization: Bearer …"},
                           WWW_Authenticate="Bearer")
        elif path == "/api/containers/select" and self.headers["Content-Type"] == "application/json":
            self.send_json(200, self.mock.select(body, parse_qs(urlsplit(self.path).query)))
        else:
            self.send_json(404, {"error": f"no such path: {path}"})


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
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        files = unpack(pack(f"{folder}/page_files.c"))
    with Server(Mock(files), int(sys.argv[1]) if len(sys.argv) > 1 else 8090) as address:
        print(f"{address} (token: {TOKEN})", flush=True)
        threading.Event().wait()

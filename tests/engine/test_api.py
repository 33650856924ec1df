"""The JSON API as people's scripts use it, and as strangers abuse it."""
import array
import concurrent.futures
import fcntl
import gzip
import json
import re
import socket
import termios
import time

import pytest

import harness
from steps import LABEL, TIMESTAMP, fence, long_past, raw, sick_and_healed, statuses

AUTH = f"Authorization: Bearer {harness.TOKEN}\r\n".encode()


@pytest.fixture
def web(engine):
    return engine.add("web", labels={**LABEL, "secret": "hunter2", "com.docker.compose.project": "shop",
                                     "com.docker.compose.service": "front"})


@pytest.fixture
def ah(engine, web, autoheal):
    return autoheal(engine)


# ---- shapes

def test_health(ah):
    answer = ah.get("/health")
    assert answer.status == 200 and answer.headers["content-type"].startswith("application/json")
    health = answer.json()
    assert health["status"] == "healthy" and health["docker_connected"] is True and health["monitoring_active"] is True
    assert re.fullmatch(TIMESTAMP, health["timestamp"]) and re.fullmatch(TIMESTAMP, health["last_audit"])
    assert {k: health["engines"][0][k] for k in ("host", "connected", "error")} == \
        {"host": "local", "connected": True, "error": None}


def test_health_before_the_first_audit(engine, autoheal):
    """Until the first list was read it is not healthy, and says why."""
    engine.fault("GET", "^/containers/json$", before=1)
    ah = autoheal(engine, ready=False).wait_up()
    answer = ah.get("/health")
    assert answer.status == 503 and answer.json()["status"] == "unhealthy" and answer.json()["reason"]
    ah.wait_ready()


def test_health_grows_stale(engine, autoheal):
    """Three intervals without an audit: unhealthy although the API answers."""
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1")
    engine.stop()
    harness.wait(lambda: ah.get("/health").status == 503, 8, "/health to turn")
    health = ah.get("/health").json()
    assert health["status"] == "unhealthy" and health["reason"] and health["docker_connected"] is False


def test_status(engine, ah):
    engine.start_container("plain")
    fence(engine, ah)
    status = ah.get("/api/status").json()
    members = {"monitoring_active", "docker_connected", "total_containers", "monitored_containers",
               "quarantined_containers", "maintenance_mode", "maintenance_start_time", "version", "uptime_seconds",
               "dry_run", "storm", "sandbox", "engines"}
    assert members <= set(status)
    assert (status["total_containers"], status["monitored_containers"], status["quarantined_containers"]) == (3, 2, 0)
    assert status["maintenance_mode"] is False and status["maintenance_start_time"] is None
    assert status["dry_run"] is False and 0 <= status["uptime_seconds"] < 60
    assert set(status["sandbox"]) >= {"seccomp", "landlock", "no_new_privileges"}
    one = status["engines"][0]
    assert {"host", "url", "connected", "engine", "version", "api_version", "events", "reconnects", "audit_repairs",
            "last_audit", "error"} <= set(one)
    assert one["url"] == engine.url and one["engine"].lower() == "docker" and one["events"] >= 1


def test_containers(engine, ah, web):
    engine.add("stopped", state="exited", exit_code=3)
    shown = ah.get("/api/containers/web", token=True).json()
    assert (shown["id"], shown["full_id"], shown["name"]) == (web.short_id, web.id, "web")
    assert (shown["image"], shown["status"], shown["host"]) == ("busybox:latest", "running", "local")
    assert {"status", "running", "paused", "restarting", "exit_code", "started_at", "finished_at", "oom_killed"} <= \
        set(shown["state"])
    assert shown["state"]["running"] is True and shown["state"]["exit_code"] == 0
    assert shown["labels"] == web.labels and shown["stable_id"] == "shop_front"
    assert shown["health"] == {"status": "healthy", "failing_streak": 0}
    assert (shown["restart_count"], shown["monitored"], shown["quarantined"]) == (0, True, False)
    assert shown["reason"] and shown["phase"] == "watching" and shown["next_action"] is None
    listed = ah.get("/api/containers", token=True).json()
    assert [c["name"] for c in listed] == ["web"]
    assert set(shown) <= set(listed[0]) and listed[0]["labels"] == web.labels


def test_stopped_containers_are_listed_on_demand(engine, autoheal):
    engine.add("web", labels=LABEL)
    engine.add("old", state="exited", exit_code=3)
    ah = autoheal(engine)
    def names(query):
        return sorted(c["name"] for c in ah.get("/api/containers" + query).json())
    assert names("?include_stopped=true") == ["old", "web"] and names("?include_stopped=false") == ["web"]
    assert ah.get("/api/containers?include_stopped=perhaps").status == 400
    assert ah.container("old")["status"] == "exited"


def test_a_container_by_name_id_and_identity(engine, ah, web):
    for name in ("web", web.id, web.id[:12], web.id[:4], "shop_front"):
        assert ah.container(name)["full_id"] == web.id
    for name in ("nope", web.id[:3], "0" * 64, "%2e%2e", "x"):
        answer = ah.get(f"/api/containers/{name}")
        assert answer.status == 404 and answer.json()["error"]
    assert ah.get("/api/containers/web%00").status in (400, 404)


def test_an_ambiguous_prefix_names_the_candidates(engine, autoheal):
    engine.add("one", labels=LABEL, id="abcdef" + "1" * 58)
    engine.add("two", labels=LABEL, id="abcdef" + "2" * 58)
    ah = autoheal(engine)
    answer = ah.get("/api/containers/abcdef")
    assert answer.status == 409 and "one" in answer.json()["error"] and "two" in answer.json()["error"]
    assert ah.container("abcdef1")["name"] == "one"
    assert ah.post("/api/containers/select", {"container_ids": ["abcdef"], "enabled": False}).status == 409


def test_names_with_odd_characters(engine, autoheal):
    engine.add("a.b-c_d", labels=LABEL)
    engine.add("x", labels={**LABEL, "monitoring.id": "my app/ä"})
    ah = autoheal(engine)
    assert ah.container("a.b-c_d")["name"] == "a.b-c_d"
    assert ah.container("my%20app%2F%C3%A4")["name"] == "x"


def test_events(engine, ah, web):
    engine.start_container("other", labels=LABEL)
    ah.wait_event("auto_monitor", "other")
    sick_and_healed(engine, ah, web)
    events = ah.events()
    assert [e["seq"] for e in events] == sorted(e["seq"] for e in events)
    for e in events:
        assert {"timestamp", "container_id", "container_name", "event_type", "restart_count", "status", "message",
                "seq", "host"} <= set(e)
    def get(query):
        return ah.get("/api/events" + query, token=True).json()
    assert get("?limit=1") == events[-1:] and get("?limit=2") == events[-2:]
    assert {e["event_type"] for e in get("?type=restart,recovered")} == {"restart", "recovered"}
    assert {e["container_name"] for e in get("?container=web")} == {"web"}
    assert [e["event_type"] for e in get("?type=restart&container=web")] == ["restart"]
    assert get("?container=nope") == [] and get("?type=storm") == []


@pytest.mark.parametrize("query", ["limit=abc", "limit=-1", "limit=1e9", "limit=99999999999999999999", "type=%zz"])
def test_a_bad_query_value_is_400(ah, query):
    answer = ah.get("/api/events?" + query)
    assert answer.status == 400 and answer.json()["error"]


def test_deleting_the_events(ah):
    """Ring cleared, one `config` event tells it."""
    count = len(ah.events())
    denied = ah.delete("/api/events", token=False)
    assert denied.status == 401 and "bearer" in denied.headers["www-authenticate"].lower() and denied.json()["error"]
    assert ah.delete("/api/events", token="wrong").status == 401
    assert len(ah.events()) == count
    answer = ah.delete("/api/events")
    assert (answer.status, answer.json()) == (200, {"deleted": count})
    assert [(e["event_type"], e["status"]) for e in ah.events()] == [("config", "events_cleared")]


def test_events_are_bounded(engine, autoheal):
    ah = autoheal(engine, AUTOHEAL_EVENTS="5")
    for i in range(12):
        engine.start_container(f"c{i}", labels=LABEL)
        ah.wait_event("auto_monitor", f"c{i}")      # told when the engine has shown it: several at once in any order
    assert len(ah.events()) == 5 and ah.events()[-1]["container_name"] == "c11"


def test_config(engine, autoheal):
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="90s", AUTOHEAL_INTERVAL="5m", AUTOHEAL_INCLUDE="a,b*", AUTOHEAL_PROJECT="shop",
                  AUTOHEAL_BACKOFF_MULTIPLIER="1.5", AUTOHEAL_DEFAULT_STOP_TIMEOUT="20")
    config = ah.get("/api/config").json()
    assert config["monitor"] == {"interval_seconds": 300, "label_key": "autoheal", "label_value": "true",
                                 "include_all": False, "start_period_seconds": 0}
    assert set(config["containers"]) >= {"selected", "excluded", "restart_counts", "selected_by"}
    assert config["restart"] == {
        "mode": "both", "cooldown_seconds": 90, "max_restarts": 3, "max_restarts_window_seconds": 600,
        "backoff": {"enabled": True, "initial_seconds": 10, "multiplier": 1.5, "max_seconds": 300},
        "recovery_timeout_seconds": 120, "quarantine_retry_seconds": 3600, "unhealthy_for_seconds": 0,
        "stop_timeout_seconds": 20, "dependents": True, "max_parallel": 32, "storm": "50%", "dry_run": False}
    assert config["filters"] == {"whitelist_names": ["a", "b*"], "blacklist_names": [], "projects": ["shop"]}
    assert config["observability"] == {"log_level": "INFO", "log_format": "text"}
    assert config["notifications"]["event_filters"][0] == "restart" and config["notifications"]["services"] == []
    assert config["custom_health_checks"] == []
    assert {"monitor.interval_seconds", "restart.cooldown_seconds", "restart.backoff.multiplier",
            "restart.stop_timeout_seconds", "filters.whitelist_names", "filters.projects"} <= set(config["locked"])
    assert not {"restart.max_restarts", "monitor.label_key", "restart.mode"} & set(config["locked"])
    assert harness.TOKEN not in ah.get("/api/config", token=True).text


def test_config_defaults(ah):
    config = ah.get("/api/config").json()
    assert config["restart"]["cooldown_seconds"] == 60 and config["restart"]["stop_timeout_seconds"] is None
    assert config["notifications"]["event_filters"] == ["restart", "recovered", "not_recovered", "quarantine",
        "auto_unquarantine", "stranded", "crash_loop", "storm", "engine_lost"]
    assert config["locked"] == ["monitor.interval_seconds"]


def test_with_label_all_the_mode_is_health(engine, autoheal):
    """Nobody wants every one-shot job of the host started again."""
    ah = autoheal(engine, AUTOHEAL_CONTAINER_LABEL="all")
    config = ah.get("/api/config").json()
    assert config["monitor"]["include_all"] is True and config["restart"]["mode"] == "health"


# ---- who may change and see what

SELECT = {"container_ids": ["web"], "enabled": False}


def test_select_needs_the_token(ah):
    for token in (False, "wrong", harness.TOKEN + "x", harness.TOKEN[:-1], ""):
        answer = ah.post("/api/containers/select", SELECT, token=False,
                         headers={"Authorization": f"Bearer {token}"} if token is not False else {})
        assert answer.status == 401 and answer.headers["www-authenticate"]
    assert ah.post("/api/containers/select", SELECT, token=False,
                   headers={"Authorization": f"Basic {harness.TOKEN}"}).status == 401
    assert ah.container("web")["monitored"]
    assert ah.post("/api/containers/select", SELECT, token=False,
                   headers={"authorization": f"bearer {harness.TOKEN}"}).status == 200
    assert not ah.container("web")["monitored"]


def test_without_a_configured_token_it_says_which_variable(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_API_TOKEN=None)
    for answer in (ah.post("/api/containers/select", SELECT, token=False), ah.delete("/api/events", token=False),
                   ah.post("/api/containers/select", SELECT)):
        assert answer.status == 403 and "AUTOHEAL_API_TOKEN" in answer.json()["error"]
    assert ah.container("web", token=False)["monitored"]


def test_open_writes(engine, web, autoheal):
    """AUTOHEAL_API_WRITES=open: no token needed; Host and Origin checks stay."""
    ah = autoheal(engine, AUTOHEAL_API_TOKEN=None, AUTOHEAL_API_WRITES="open")
    assert ah.post("/api/containers/select", SELECT, token=False, headers={"Origin": "http://evil.example"}).status == 403
    assert ah.post("/api/containers/select", SELECT, token=False).status == 200
    assert ah.delete("/api/events", token=False).status == 200


def test_a_token_from_a_file(engine, web, autoheal, tmp_path):
    (tmp_path / "token").write_text("from-a-file\n")
    ah = autoheal(engine, AUTOHEAL_API_TOKEN=None, AUTOHEAL_API_TOKEN_FILE=tmp_path / "token")
    assert ah.post("/api/containers/select", SELECT, token="from-a-file").status == 200


def test_select_answers(ah, engine, web):
    engine.add("plain")
    assert ah.post("/api/containers/select", {"container_ids": ["nope", "gone"], "enabled": True}).status == 404
    answer = ah.post("/api/containers/select", {"container_ids": [web.id[:6], "nope"], "enabled": False})
    assert (answer.status, answer.json()) == (200, {"selected": [], "excluded": ["shop_front"], "unknown": ["nope"]})
    shown = ah.container("web")
    assert not shown["monitored"] and shown["phase"] == "unwatched" and "exclu" in shown["reason"]
    answer = ah.post("/api/containers/select", {"container_ids": ["shop_front"], "enabled": True})
    assert answer.json() == {"selected": ["shop_front"], "excluded": [], "unknown": []}
    assert ah.container("web")["monitored"]
    assert [e["status"] for e in ah.events("selection", "web")] == ["excluded", "selected"]


@pytest.mark.parametrize("body,status", [
    ("{", 400), ("", 400), ("null", (400, 422)), ("[]", (400, 422)), ("{}", 422), ('{"container_ids":"web","enabled":true}', 422),
    ('{"container_ids":["web"]}', 422), ('{"container_ids":["web"],"enabled":"yes"}', 422), ('{"container_ids":[],"enabled":true}', (404, 422)),
    ('{"container_ids":[7],"enabled":true}', 422), ('{"container_ids":["web"],"enabled":false} x', 400),
    ('{"container_ids":["web",],"enabled":false}', 400), ("{'container_ids':['web'],'enabled':false}", 400),
    ('{"container_ids":["web"] "enabled":false}', 400), ('{"container_ids":["\\ud800"],"enabled":false}', (400, 404)),
    (b'{"container_ids":["\xff"],"enabled":false}', 400), ('{"container_ids":["we\nb"],"enabled":false}', 400),
    ("[" * 5000, (400, 413)), ('{"a":' * 2000, (400, 413)),
])
def test_bodies_that_are_refused(ah, body, status):
    """Not JSON is 400, a wrong member 422; nothing is half-applied."""
    answer = ah.post("/api/containers/select", body, headers={"Content-Type": "application/json"})
    assert answer.status in (status if isinstance(status, tuple) else (status,)) and answer.json()["error"]
    assert ah.container("web")["monitored"] and not ah.events("selection")


def test_a_body_must_be_json_by_its_type(ah):
    """A form of a foreign page can send text/plain without asking: 415."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert ah.post("/api/containers/select", json.dumps(SELECT), headers={"Content-Type": kind}).status == 415
    assert ah.post("/api/containers/select", json.dumps(SELECT)).status == 415
    assert ah.post("/api/containers/select", json.dumps(SELECT),
                   headers={"Content-Type": "Application/JSON; charset=utf-8"}).status == 200


@pytest.mark.parametrize("host,status", [
    ("localhost", 200), ("localhost:8080", 200), ("127.0.0.1", 200), ("192.168.1.5:8080", 200), ("[::1]:8080", 200),
    ("[fe80::1]", 200), ("autoheal", 200), ("nas:8080", 200), ("LOCALHOST", 200), ("heal.example.com", 200),
    ("HEAL.example.com:443", 200), ("evil.example.com", 403), ("evil.com:8080", 403), ("127.0.0.1.evil.com", 403),
    ("localhost.evil.com", 403), ("1.2.3", 403), ("127.0.0.1@evil.com", (400, 403)), ("heal.example.com.evil.org", 403),
    ("", (400, 403)), ("a b", (400, 403)), ("evil.com/localhost", (400, 403)),
])
def test_the_host_rule(engine, autoheal, host, status):
    """DNS rebinding: a foreign page's name that points here. IP literals, localhost and names without a dot are fine."""
    ah = autoheal(engine, AUTOHEAL_API_HOSTS="heal.example.com,other.example.org")
    for path in ("/api/status", "/"):
        answer = ah.get(path, {"Host": host})
        assert answer.status in (status if isinstance(status, tuple) else (status,)), (path, answer)


def test_a_missing_or_doubled_host_is_400(ah):
    assert statuses(raw(ah.port, b"GET /health HTTP/1.1\r\n\r\n")) == [400]
    assert statuses(raw(ah.port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n\r\n")) == [400]


@pytest.mark.parametrize("host,origin,status", [
    ("nas:8080", None, 200), ("nas:8080", "http://nas:8080", 200), ("nas:8080", "https://nas:8080", 200),
    ("nas:8080", "null", 403), ("nas:8080", "http://evil.com", 403), ("nas:8080", "http://nas:8081", 403),
    ("nas:8080", "http://nas:8080.evil.com", 403), ("nas:8080", "nas:8080", 403), ("nas:8080", "", 403),
    ("nas:8080", "http://heal.example.com", 200), ("nas:8080", "http://localhost:3000", 403),
])
def test_the_origin_rule(engine, web, autoheal, host, origin, status):
    """A page of another origin must not change anything, even where no token is asked for."""
    ah = autoheal(engine, AUTOHEAL_API_WRITES="open", AUTOHEAL_API_HOSTS="heal.example.com")
    headers = {"Host": host, **({"Origin": origin} if origin is not None else {})}
    answer = ah.post("/api/containers/select", SELECT, headers=headers, token=False)
    assert answer.status == status
    assert ah.get("/api/status", headers).status == status
    assert ah.container("web")["monitored"] is (status != 200)
    assert "access-control-allow-origin" not in answer.headers


SEEN = {"autoheal": "true", "autoheal.cooldown": "5", "monitoring.id": "me", "com.docker.compose.project": "shop",
        "com.docker.compose.service": "front"}
HIDDEN = {"secret": "hunter2", "com.docker.compose.config-hash": "hunter3", "traefik.auth": "hunter4"}


@pytest.mark.parametrize("reads,token,status,masked", [
    (None, False, 200, True), (None, True, 200, False), ("safe", False, 200, True), ("open", False, 200, False),
    ("token", False, 401, True), ("token", True, 200, False),
])
def test_who_sees_labels(engine, autoheal, reads, token, status, masked):
    """Labels carry secrets: without the token their values read "***"."""
    engine.add("web", labels={**SEEN, **HIDDEN})
    ah = autoheal(engine, AUTOHEAL_API_READS=reads)
    for path in ("/api/containers", "/api/containers/web", "/api/events", "/api/config", "/api/status"):
        answer = ah.get(path, token=token)
        assert answer.status == status
        assert ("hunter" in answer.text) is (path.startswith("/api/containers") and not masked)
    assert ah.get("/health").status == 200
    if status == 200:
        labels = ah.get("/api/containers/web", token=token).json()["labels"]
        assert labels == {**SEEN, **({k: "***" for k in HIDDEN} if masked else HIDDEN)}


# ---- HTTP

def test_keep_alive_and_pipelining(ah):
    """Several requests on one connection, also sent in one go, are answered in order."""
    one = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    two = b"GET /nope HTTP/1.1\r\nHost: localhost\r\n\r\n"
    post = b"POST /api/containers/select HTTP/1.1\r\nHost: localhost\r\n" + AUTH + \
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    last = b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert statuses(raw(ah.port, one + two + post + one + last, finish=False)) == [200, 404, 422, 200, 200]
    with socket.create_connection(("127.0.0.1", ah.port), 5) as s:
        for _ in range(20):
            s.sendall(one)
            assert b"200 OK" in s.recv(65536)


def test_a_request_in_single_bytes(ah):
    body = json.dumps({"container_ids": ["nope"], "enabled": True}).encode()
    data = b"POST /api/containers/select HTTP/1.1\r\nHost: localhost\r\n" + AUTH + b"Connection: close\r\n" + \
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", ah.port), 5) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            s.sendall(data[i:i + 1])
        assert statuses(s.recv(65536)) == [404]


def test_http_1_0_is_closed_after_the_answer(ah):
    answer = raw(ah.port, b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n", finish=False)
    assert statuses(answer) == [200] and b"chunked" not in answer.lower()


def test_head(ah):
    """As GET, without the body."""
    for path in ("/health", "/api/status", "/api/containers", "/"):
        get = ah.get(path)
        answer = raw(ah.port, b"HEAD %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path.encode())
        assert statuses(answer) == [200] and answer.endswith(b"\r\n\r\n")
        assert get.headers["content-type"].encode() in answer


@pytest.mark.parametrize("method,path,allowed", [
    ("POST", "/health", "GET"), ("PUT", "/api/status", "GET"), ("DELETE", "/api/containers", "GET"),
    ("GET", "/api/containers/select", "POST"), ("POST", "/api/events", "DELETE"), ("PATCH", "/api/events", "GET"),
    ("POST", "/", "GET"),
])
def test_a_wrong_method_names_the_right_ones(ah, method, path, allowed):
    if path == "/api/containers/select":
        pytest.skip("a container may be named so")
    answer = ah.request(method, path, token=True, headers={"Content-Length": "0"})
    assert answer.status == 405 and allowed in answer.headers["allow"] and answer.json()["error"]


@pytest.mark.parametrize("path", ["/nope", "/api/", "/api/nope", "/healthz", "/health/", "/../etc/passwd",
                                  "/api/containers/web/nope", "//health", "/%2e%2e/%2e%2e/etc/passwd", "/api/statusx"])
def test_unknown_paths_are_404_in_json(ah, path):
    answer = ah.get(path)
    assert answer.status == 404 and answer.json()["error"]


def line(text, *headers, body=b"", host=True):
    head = [text, *(["Host: localhost"] if host else []), *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


ODD = {
    "no length": (line("POST /api/containers/select HTTP/1.1", AUTH.decode().strip(), "Content-Type: application/json"), (411, 400)),
    "a huge body": (line("POST /api/containers/select HTTP/1.1", AUTH.decode().strip(), "Content-Type: application/json",
                         "Content-Length: 100000000"), (413,)),
    "a length of words": (line("POST /api/containers/select HTTP/1.1", "Content-Length: ten"), (400,)),
    "a negative length": (line("POST /api/containers/select HTTP/1.1", "Content-Length: -5"), (400,)),
    "two lengths": (line("POST /api/containers/select HTTP/1.1", "Content-Length: 2", "Content-Length: 3", body=b"{}"), (400,)),
    "gzip coding": (line("POST /api/containers/select HTTP/1.1", AUTH.decode().strip(), "Transfer-Encoding: gzip"), (501,)),
    "smuggling": (line("POST /api/containers/select HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked",
                       body=b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n"), (400, 411, 501)),
    "an unknown method": (line("BREW / HTTP/1.1"), (501,)),
    "a lower case method": (line("get / HTTP/1.1"), (400, 501)),
    "http 2": (line("GET / HTTP/2.0"), (505,)),
    "http 0.9": (b"GET /\r\n\r\n", (400, 505)),
    "h2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 501, 505)),
    "a long target": (line("GET /" + "x" * 20000 + " HTTP/1.1"), (414,)),
    "huge headers": (line("GET /health HTTP/1.1", *(f"X-{i}: {'y' * 200}" for i in range(500))), (431,)),
    "one huge header": (line("GET /health HTTP/1.1", "X: " + "y" * 100000), (431,)),
    "a folded header": (line("GET /health HTTP/1.1", "X: a", " b"), (400,)),
    "a space before the colon": (line("GET /health HTTP/1.1", "X : a"), (400,)),
    "no colon": (line("GET /health HTTP/1.1", "nonsense"), (400,)),
    "a nul": (line("GET /health HTTP/1.1", "X: a\x00b"), (400,)),
    "a nul in the target": (line("GET /hea\x00lth HTTP/1.1"), (400, 404)),
    "no target": (line("GET HTTP/1.1"), (400,)),
    "a bare cr": (line("GET /health HTTP/1.1", "X: a\rb"), (400,)),
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n", (400,)),
    "a bad escape": (line("GET /api/containers/%zz HTTP/1.1"), (400, 404)),
    "a bad chunk size": (line("POST /api/containers/select HTTP/1.1", AUTH.decode().strip(), "Content-Type: application/json",
                              "Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n"), (400, 411, 501)),
    "an expectation": (line("POST /api/containers/select HTTP/1.1", "Expect: unicorns", "Content-Length: 0"), (400, 401, 415, 417, 422)),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_requests(ah, kind):
    """Refused with the right status, one answer, and the service lives."""
    data, expected = ODD[kind]
    answer = raw(ah.port, data)
    assert len(statuses(answer)) == 1 and statuses(answer)[0] in expected, answer[:300]
    assert ah.get("/health").status == 200


def test_a_chunked_body(ah):
    head = line("POST /api/containers/select HTTP/1.1", AUTH.decode().strip(), "Content-Type: application/json",
                "Transfer-Encoding: chunked", "Connection: close")
    body = json.dumps(SELECT).encode()
    whole = b"1\r\n" + body[:1] + b"\r\n%x;ext=1\r\n" % (len(body) - 1) + body[1:] + b"\r\n0\r\nTrailer: x\r\n\r\n"
    assert statuses(raw(ah.port, head + whole)) == [200] and not ah.container("web")["monitored"]
    large = (b"1000\r\n" + b" " * 4096 + b"\r\n") * 17
    assert statuses(raw(ah.port, head + large, finish=False)) == [413]
    for bad in (b"-1\r\n", b"0x2\r\n{}\r\n", b" 2\r\n{}\r\n", b"2\r\n{}X", b"ffffffffffffffff\r\n{}", b"2\n{}\n0\n\n"):
        assert statuses(raw(ah.port, head + bad, finish=False)) == [400], bad


def test_errors_of_head_have_no_body(ah):
    for path, status in (("/nope", 404), ("/api/containers/nope", 404), ("/api/events?limit=x", 400), ("/api/maintenance/enable", 405)):
        answer = raw(ah.port, line(f"HEAD {path} HTTP/1.1", "Connection: close"))
        assert statuses(answer) == [status] and answer.endswith(b"\r\n\r\n") and b"Content-Length: 0" not in answer


def test_an_absolute_target(ah):
    """A proxy's form of the request line (RFC 9112, 3.2.2)."""
    answer = raw(ah.port, line("GET http://localhost/health HTTP/1.1", "Connection: close"))
    assert statuses(answer)[0] in (200, 400)
    foreign = raw(ah.port, line("GET http://evil.com/health HTTP/1.1", "Connection: close"))
    assert statuses(foreign)[0] in (400, 403)


@pytest.mark.first
def test_a_slow_sender_is_timed_out(ah):
    """Slow loris: half a header, and then a byte now and again; it must not keep its place for ever."""
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", ah.port), 70) as s, socket.create_connection(("127.0.0.1", ah.port), 70) as t:
        s.sendall(b"GET /health HTTP/1.1\r\nHost: loc")
        t.sendall(b"POST /api/containers/select HTTP/1.1\r\nHost: localhost\r\n" + AUTH +
                  b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        s.settimeout(1)
        answer = b""
        while time.monotonic() - begin < 45:
            try:
                piece = s.recv(4096)
                if not piece:
                    break
                answer += piece
            except TimeoutError:
                try:
                    s.sendall(b"a")
                except OSError:
                    break
            except OSError:
                break
        assert time.monotonic() - begin < 45, "the header never timed out"
        assert statuses(answer) in ([408], [])
        t.settimeout(max(1, 45 - (time.monotonic() - begin)))
        try:
            assert statuses(t.recv(4096)) in ([408], [])
        except ConnectionResetError:
            pass
    assert ah.get("/health").status == 200


@pytest.mark.parametrize("path,least", [("/api/status", 32), ("/api/containers", 8)])
def test_a_hundred_connections_at_once(engine, ah, web, path, least):
    """All are answered, or told that it is too many (503, or closed); healing is not touched."""
    sockets = [socket.create_connection(("127.0.0.1", ah.port), 5) for _ in range(100)]
    for s in sockets:
        s.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
    engine.sicken(web)
    engine.wait_restart(web)
    codes = []
    for s in sockets:
        with s:
            try:
                codes += statuses(s.recv(65536)) or [0]
            except ConnectionResetError:
                codes.append(0)
    assert set(codes) <= {200, 503, 0} and codes.count(200) >= least
    harness.wait(lambda: ah.get("/health").status == 200, what="an answer after the crowd")


def test_idle_connections_make_room(engine, ah):
    """A hundred that only connect and say nothing do not lock everyone out."""
    sockets = [socket.create_connection(("127.0.0.1", ah.port), 5) for _ in range(100)]
    try:
        def answered():
            try:
                return ah.get("/health").status == 200
            except OSError:
                return False
        harness.wait(answered, 40, "an answer beside a hundred idle connections", 0.5)
    finally:
        for s in sockets:
            s.close()


ONE = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def crowd(ah, data):
    """As many clients as there is room for; each has its first answer, in their order."""
    sockets = []
    for _ in range(64):
        sockets.append(socket.create_connection(("127.0.0.1", ah.port), 5))
        sockets[-1].sendall(data)
        assert statuses(sockets[-1].recv(65536)) == [200]
    return sockets


def test_at_the_limit_the_one_goes_that_is_idle_longest(ah):
    first, second, third, *others = crowd(ah, ONE)
    first.sendall(ONE)                              # no longer the one that is idle longest
    assert statuses(first.recv(65536)) == [200]
    with socket.create_connection(("127.0.0.1", ah.port), 5) as new:
        new.sendall(ONE)
        assert statuses(new.recv(65536)) == [200] and second.recv(1) == b""
        for s in (first, third, *others):
            s.sendall(ONE)
            assert statuses(s.recv(65536)) == [200]
    for s in (first, second, third, *others):
        s.close()


def test_where_none_is_idle_the_new_one_is_refused(ah):
    """All are in the middle of their second request."""
    first, *others = crowd(ah, ONE + ONE[:20])
    with socket.create_connection(("127.0.0.1", ah.port), 5) as new:
        answer = new.recv(65536)
        assert statuses(answer) == [503] and json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    first.sendall(ONE[20:])
    assert statuses(first.recv(65536)) == [200]
    with socket.create_connection(("127.0.0.1", ah.port), 5) as new:
        new.sendall(ONE)
        assert statuses(new.recv(65536)) == [200]
    for s in (first, *others):
        s.close()


def test_a_reader_that_does_not_read(engine, autoheal):
    """Answers pile up for someone who never reads them: nobody else waits."""
    for i in range(200):
        engine.add(f"c{i}", labels={"x": "y" * 500})
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    with socket.create_connection(("127.0.0.1", ah.port), 5) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(0.2)
        try:
            for _ in range(2000):
                s.sendall(b"GET /api/containers HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
        except OSError:
            pass
        sick_and_healed(engine, ah, web)
        assert ah.get("/health").status == 200


@pytest.mark.parametrize("path", ["/api/containers", "/api/events?limit=3000"])
def test_a_slow_reader_gets_all_of_a_long_answer(engine, autoheal, tmp_path, path):
    """It is waited for while its socket is full; when it reads again, the answer goes on to its end."""
    for i in range(1000):
        engine.add(f"c{i}", labels={"x": "y" * 500} if i else LABEL)
    ah = autoheal(engine, AUTOHEAL_DATA_DIR=tmp_path, AUTOHEAL_EVENTS="3000")
    ah.wait_event("auto_monitor")
    long_past(ah, tmp_path)
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(f"\0autoheal-{ah.instance}")
        s.sendall(b"GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" % path.encode())
        waits = array.array("i", [0])

        def full():
            before = waits[0]
            fcntl.ioctl(s, termios.FIONREAD, waits)
            return 0 < before == waits[0]
        harness.wait(full, 10, "a full socket", 0.3)
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    assert len(json.loads(answer.partition(b"\r\n\r\n")[2])) >= 1000


def test_many_containers_in_one_answer(engine, autoheal):
    for i in range(500):
        engine.add(f"c{i:03d}", labels={**LABEL, "text": "ä\"\\\n" * 20})
    ah = autoheal(engine)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        lists = list(pool.map(lambda _: ah.get("/api/containers", token=True).json(), range(4)))
    for listed in lists:
        assert sorted(c["name"] for c in listed) == [f"c{i:03d}" for i in range(500)]
        assert listed[7]["labels"]["text"] == "ä\"\\\n" * 20


# ---- the page, and where it listens

def test_the_page(ah):
    """Self-contained, compressed, and strict about what it may load."""
    answer = ah.get("/")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy or "default-src 'self'" in policy
    assert "unsafe-eval" not in policy
    page = answer.body
    if answer.headers.get("content-encoding") == "gzip":
        page = gzip.decompress(page)
    text = page.decode()
    assert "<html" in text and not re.search(r'(src|href)="https?://', text)
    again = ah.get("/", {"If-None-Match": answer.headers["etag"]})
    assert again.status == 304 and again.body == b""


def test_listening_on_a_unix_socket(engine, web, autoheal, tmp_path):
    path = tmp_path / "api.sock"
    ah = autoheal(engine, AUTOHEAL_LISTEN=f"unix:{path}", ready=False)
    def answered():
        try:
            return harness.request(str(path), "GET", "/health").status == 200
        except OSError:
            return False
    harness.wait(answered, what="an answer on the socket")
    assert harness.request(str(path), "GET", "/api/containers/web").json()["name"] == "web"
    assert ah.stop() == 0


def test_not_listening_at_all(engine, web, autoheal):
    """AUTOHEAL_LISTEN=off: no port, yet `health` and everything else works through the abstract socket."""
    ah = autoheal(engine, AUTOHEAL_LISTEN="off", ready=False)
    harness.wait(lambda: ah.command("health").returncode == 0, what="health")
    assert harness.request(f"@autoheal-{ah.instance}", "GET", "/api/containers/web").json()["name"] == "web"
    engine.sicken(web)
    engine.wait_restart(web)
    with pytest.raises(OSError):
        ah.get("/health")


def test_a_port_in_use_is_an_error_and_healing_goes_on(engine, web, autoheal):
    """Told in the log, tried again at each audit."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ah = autoheal(engine, AUTOHEAL_LISTEN=f"127.0.0.1:{port}", AUTOHEAL_INTERVAL="1", ready=False)
        ah.wait_log(rf"ERROR.*{port}")
        engine.sicken(web)
        engine.wait_restart(web)
    ah.port = port
    ah.wait_ready()


def test_a_taken_instance_name_is_a_warning(engine, web, autoheal):
    """A second service of the same name in one network namespace heals all the same."""
    first = autoheal(engine)
    second = autoheal(engine, AUTOHEAL_INSTANCE=first.instance)
    second.wait_log("WARNING.*autoheal-" + first.instance)
    assert second.alive()


def test_listening_on_ipv6(engine, web, autoheal):
    ah = autoheal(engine, ready=False, AUTOHEAL_LISTEN="[::1]:%d" % harness.free_port())
    port = int(ah.env["AUTOHEAL_LISTEN"].rsplit(":", 1)[1])
    def answer():
        try:
            return harness.request(("::1", port), "GET", "/health", {"Host": f"[::1]:{port}"}).status == 200
        except OSError:
            return False
    try:
        socket.socket(socket.AF_INET6).bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    harness.wait(answer, what="an answer over IPv6")

"""GET /metrics as Prometheus reads it: what was counted, who may read it, and that neither names nor numbers spoil it."""
import itertools
import json
import os
import re
import resource
import socket
import time

import pytest

import harness
import prometheus
from receiver import Receiver
from steps import LABEL, QUICK, fence, healed, sick_and_healed, statuses, raw

RESULTS = ("recovered", "not_recovered", "refused")


class Metrics(dict):
    """The samples of one answer, checked; metrics("name", host="local") is a value."""

    def __init__(self, ah, token=False):
        answer = ah.get("/metrics", token=token)
        assert answer.status == 200 and answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        super().__init__(prometheus.read(answer.text))
        self.text = answer.text

    def __call__(self, name, **labels):
        return self[name, tuple(labels.items())]

    def results(self, container, host="local"):
        return tuple(self("autoheal_container_restarts_total", container_name=container, host=host, result=r) for r in RESULTS)


def test_a_quiet_start(engine, autoheal):
    """Everything is there from the start, with zeros: the first heal is a rise that rate() sees."""
    engine.add("web", labels=LABEL)
    engine.add("plain")
    m = Metrics(autoheal(engine))
    assert prometheus.lint(m.text) == ""
    assert m("autoheal_containers_monitored", host="local") == 1 and m("autoheal_containers_quarantined", host="local") == 0
    assert m.results("web") == (0, 0, 0)
    assert not [k for k in m if ("container_name", "plain") in k[1]]
    assert m("autoheal_engine_connected", host="local") == 1 and m("autoheal_engine_reconnects_total", host="local") == 0
    assert m("autoheal_engine_events_total", host="local") == 0 and m("autoheal_audit_repairs_total", host="local") == 0
    assert m("autoheal_heal_duration_seconds_count") == m("autoheal_detection_to_request_seconds_count") == 0
    assert m("autoheal_log_lines_dropped_total") == 0


def test_heals_are_counted(engine, autoheal):
    web, db = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    sick_and_healed(engine, ah, web)
    sick_and_healed(engine, ah, web, 2)
    sick_and_healed(engine, ah, db)
    m = Metrics(ah)
    assert prometheus.lint(m.text) == ""
    assert m.results("web") == (2, 1, 0) and m.results("db") == (1, 0, 0)      # web's first did not last
    assert m("autoheal_heal_duration_seconds_count") == 3
    took = sum(e["duration_ms"] for e in ah.events("recovered")) / 1000
    assert m("autoheal_heal_duration_seconds_sum") == pytest.approx(took, abs=1e-9)
    assert m("autoheal_detection_to_request_seconds_count") == 3
    assert 0 < m("autoheal_detection_to_request_seconds_sum") < 10
    assert m("autoheal_engine_events_total", host="local") == ah.get("/api/status").json()["engines"][0]["events"] > 9


def test_buckets_are_sums(engine, autoheal):
    """Each bucket holds those below it; the last is the count, and the first bound of the request is 0.1 ms."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    sick_and_healed(engine, ah, web)
    m = Metrics(ah)
    for name in ("autoheal_heal_duration_seconds", "autoheal_detection_to_request_seconds"):
        buckets = [(float(labels[0][1]), value) for (n, labels), value in m.items() if n == name + "_bucket"]
        assert buckets == sorted(buckets) and buckets[-1] == (float("inf"), m(name + "_count"))
        total = m(name + "_sum")
        assert all(value == (total <= bound) for bound, value in buckets)      # of the one heal there was
    assert m("autoheal_detection_to_request_seconds_bucket", le="0.0001") in (0, 1)


def test_what_did_not_help(engine, autoheal):
    """Refused, exited, and in quarantine; what was refused is no recovery, and its retry belongs to the same incident."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false", AUTOHEAL_MAX_RESTARTS="2")
    fault = engine.fault("POST", "/restart$", status=500, body={"message": "no"}, times=1)
    engine.sicken(web)
    ah.wait_event("restart", "web", status="failure")
    ah.wait_event("recovered", "web")
    fault.remove()
    m = Metrics(ah)
    assert m.results("web") == (1, 0, 1) and m("autoheal_detection_to_request_seconds_count") == 1
    web.heals_after = None
    engine.sicken(web)
    ah.wait_event("quarantine", "web")
    m = Metrics(ah)
    assert m("autoheal_containers_quarantined", host="local") == 1 and m("autoheal_containers_monitored", host="local") == 1
    assert m.results("web")[1] == len(ah.events("not_recovered", "web")) and m.results("web")[2] == 1
    assert prometheus.lint(m.text) == ""


def test_it_exits_after_its_restart(engine, autoheal):
    web = engine.add("web", labels=LABEL, heals_after=None)
    ah = autoheal(engine)
    engine.sicken(web)
    ah.wait_event("restart", "web")
    engine.die(web)
    ah.wait_event("not_recovered", "web", status="exited")
    assert Metrics(ah).results("web") == (0, 1, 0)


def test_several_hosts(make_engine, autoheal):
    """The same name on two engines is two series; an engine that is away reads 0."""
    engines = {name: make_engine() for name in ("nas", "attic")}
    webs = {name: e.add("web", labels=LABEL) for name, e in engines.items()}
    engines["nas"].add("db", labels=LABEL)
    ah = autoheal(AUTOHEAL_HOSTS=",".join(f"{n}={e.url}" for n, e in engines.items()))
    harness.wait(lambda: ah.get("/api/status").json()["monitored_containers"] == 3, what="both lists")
    sick_and_healed(engines["attic"], ah, webs["attic"])
    m = Metrics(ah)
    assert m.results("web", "attic") == (1, 0, 0) and m.results("web", "nas") == (0, 0, 0)
    assert [m("autoheal_containers_monitored", host=h) for h in engines] == [2, 1]
    engines["attic"].stop()
    harness.wait(lambda: not Metrics(ah)("autoheal_engine_connected", host="attic"), what="the loss to be seen")
    m = Metrics(ah)
    assert m("autoheal_engine_connected", host="nas") == 1 and m("autoheal_engine_reconnects_total", host="attic") >= 1
    assert m("autoheal_engine_reconnects_total", host="nas") == 0
    assert prometheus.lint(m.text) == ""


def test_counts_survive_a_recreate_and_end_with_the_container(engine, autoheal):
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    sick_and_healed(engine, ah, web)
    engine.destroy(web)
    fence(engine, ah)
    assert not [k for k in Metrics(ah) if ("container_name", "web") in k[1]]
    engine.start_container("web", labels=LABEL)
    fence(engine, ah)
    assert Metrics(ah).results("web") == (1, 0, 0)


def test_hostile_names(engine, autoheal):
    """A name cannot end its label, begin a line, or bring bytes for which Prometheus refuses the whole scrape."""
    names = ['q"} 1', "back\\slash", "line\nautoheal_forged_total 1", "esc\x1b[2J", "bidi\u202e", "tail\\"]
    for name in names:
        engine.add(name, labels=LABEL)
    engine.fault("GET", "^/containers/json$", rewrite=lambda data: data.replace(b"tail", b"ta\xff\xfe"))
    ah = autoheal(engine)
    assert ah.get("/api/status").json()["monitored_containers"] == len(names)
    m = Metrics(ah)
    assert prometheus.lint(m.text) == ""
    shown = {labels[0][1] for name, labels in m if name == "autoheal_container_restarts_total"}
    assert len(shown) == len(names)
    assert {'q\\"} 1', "back\\\\slash", "line\\\\x0aautoheal_forged_total 1", "esc\\\\x1b[2J"} <= shown
    assert not re.search("^autoheal_forged", m.text, re.M) and "\u202e" not in m.text and "\x1b" not in m.text


def test_the_process(engine, autoheal):
    begun = time.time()
    ah = autoheal(engine)
    m = Metrics(ah)
    assert begun - 1 < m("process_start_time_seconds") < time.time() + 1
    assert m("process_max_fds") == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    files = len(os.listdir(f"/proc/{ah.pid}/fd"))
    assert files <= m("process_open_fds") <= files + 1        # the one that asks
    with open(f"/proc/{ah.pid}/statm", encoding="ascii") as f:
        resident = int(f.read().split()[1]) * resource.getpagesize()
    assert m("process_resident_memory_bytes") == pytest.approx(resident, rel=0.3)
    assert 0 < m("process_cpu_seconds_total") < 30
    assert Metrics(ah)("process_start_time_seconds") == m("process_start_time_seconds")


@pytest.mark.parametrize("reads, token, status", [
    ("safe", False, 200), ("open", False, 200), ("token", False, 401), ("token", "wrong", 401), ("token", True, 200),
])
def test_who_may_read(engine, autoheal, reads, token, status):
    ah = autoheal(engine, AUTOHEAL_API_READS=reads)
    answer = ah.get("/metrics", token=token)
    assert answer.status == status
    assert ("autoheal_" in answer.text) is (status == 200)
    assert status == 200 or answer.headers["www-authenticate"] == "Bearer"


def test_methods(engine, autoheal):
    ah = autoheal(engine)
    head = ah.request("HEAD", "/metrics")
    assert head.status == 200 and not head.body and head.headers["content-type"].startswith("text/plain")
    answer = ah.post("/metrics")
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD"
    assert ah.get("/metrics/").status == ah.get("/metric").status == 404
    assert ah.get("/metrics", {"Host": "evil.example"}).status == 403
    old = raw(ah.port, b"GET /metrics HTTP/1.0\r\n\r\n")
    assert statuses(old) == [200] and prometheus.read(old.split(b"\r\n\r\n", 1)[1].decode())
    two = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2 + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert statuses(raw(ah.port, two, finish=False)) == [200, 200, 200]


def names_of(m):
    return [labels[0][1] for name, labels in m if name == "autoheal_container_restarts_total" and ("result", "refused") in labels]


@pytest.mark.parametrize("count", [1000, 1001])
def test_how_many_zeros(engine, autoheal, count):
    """Up to a thousand watched each has its zeros; beyond that only those that had trouble are shown."""
    web = engine.add("web", labels=LABEL)
    for i in range(count - 1):
        engine.add(f"c{i:04}", labels=LABEL)
    ah = autoheal(engine)
    sick_and_healed(engine, ah, web)
    m = Metrics(ah)
    assert m("autoheal_containers_monitored", host="local") == count and m.results("web") == (1, 0, 0)
    assert len(names_of(m)) == (1000 if count == 1000 else 1)


def test_thousands_are_streamed(engine, autoheal):
    """Every container had trouble: the answer is a long one, whole, each series once; who reads it slowly holds up nobody,
    and what waits for him is bounded."""
    count = 2500
    for i in range(count):
        engine.add(f"container-with-a-longer-name-{i:04}", labels=LABEL, health="unhealthy", streak=3)
    ah = autoheal(engine, AUTOHEAL_DRY_RUN="true", AUTOHEAL_STORM="off",
                  ASAN_OPTIONS="exitcode=99:quarantine_size_mb=0:thread_local_quarantine_size_kb=0")
    harness.wait(lambda: len(names_of(Metrics(ah))) == count, 60, "all to be in trouble", 0.2)
    m = Metrics(ah)
    assert len(m.text) > 500_000 and prometheus.lint(m.text) == ""
    before = rss(ah)
    slow = []
    for _ in range(8):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", ah.port))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        slow.append(s)
    for s in slow:
        assert s.recv(1000)
    assert ah.get("/health").status == 200 and len(names_of(Metrics(ah))) == count
    assert rss(ah) - before < 8 * 128 * 1024 + 1024 * 1024
    for s in slow[:4]:                      # four go away in the middle, four read on
        s.close()
    for s in slow[4:]:
        data = b"".join(iter(lambda s=s: s.recv(1 << 20), b""))
        assert data.endswith(b"\r\n0\r\n\r\n") and data.count(b'result="refused"') == count
        s.close()


def rss(ah):
    with open(f"/proc/{ah.pid}/status", encoding="ascii") as f:
        return int(re.search(r"RssAnon:\s+(\d+) kB", f.read()).group(1)) * 1024


# ---- the dashboard of docs/

def panels():
    board = json.loads((harness.ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
    return board, [(p["title"], t["expr"]) for p in board["panels"] for t in p["targets"]]


def test_notices_are_counted_by_target(engine, autoheal):
    """Two targets that differ only in what is secret are one series; the heartbeat is none."""
    web = engine.add("web", labels=LABEL)
    with Receiver() as post:
        post.answers.append((400, {}, b"no"))
        ah = autoheal(engine, AUTOHEAL_NOTIFY=f"{post.url('/secret-a')} {post.url('/secret-b')}",
                      AUTOHEAL_HEARTBEAT_URL=post.url("/beat"), **QUICK)
        post.wait(1)                                               # the heartbeat of the first audit is refused
        sick_and_healed(engine, ah, web)
        series = {}

        def counted():
            series.update({dict(labels)["result"]: value for (name, labels), value in Metrics(ah).items()
                           if name == "autoheal_notifications_total"})
            return series.get("sent") == 4                         # two notices to two targets
        harness.wait(counted, 10)
    assert series == {"sent": 4, "failed": 0, "dropped": 0}
    assert "secret" not in Metrics(ah).text and prometheus.lint(Metrics(ah).text) == ""


def test_the_dashboard_asks_for_what_there_is(engine, autoheal):
    """Every metric and label in docs/grafana.json's queries exists."""
    engine.add("web", labels=LABEL)
    m = Metrics(autoheal(engine))
    labels = {}
    for name, pairs in m:
        labels.setdefault(name, set()).update(k for k, _ in pairs)
    labels["autoheal_notifications_total"] = {"target", "result"}       # none without a target
    board, queries = panels()
    assert len(queries) >= 8
    used = set()
    for title, query in queries:
        names = re.findall(r"\b(?:autoheal|process)_\w+", query)
        assert names and set(names) <= set(labels), (title, query)
        asked = set(re.findall(r"(\w+)\s*=~?\"", query))
        asked |= {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
        assert asked <= set().union(*(labels[n] for n in names)) | {"instance", "job", "le"}, (title, query)
        used |= set(names)
    assert {"autoheal_container_restarts_total", "autoheal_containers_quarantined", "autoheal_engine_connected",
            "autoheal_detection_to_request_seconds_bucket", "autoheal_heal_duration_seconds_bucket",
            "autoheal_notifications_total"} <= used
    places = [(p["gridPos"]["x"], p["gridPos"]["y"], p["gridPos"]["w"], p["gridPos"]["h"]) for p in board["panels"]]
    for (x, y, w, h), (u, v, s, t) in itertools.combinations(places, 2):
        assert x + w <= u or u + s <= x or y + h <= v or v + t <= y, "two panels overlap"
    assert all(x + w <= 24 for x, y, w, h in places) and len({p["id"] for p in board["panels"]}) == len(places)

"""Limits that are reached: docs/limits.md names the test of each. What is beyond is told or refused, all else goes on."""
import contextlib
import os
import socket
import threading
import time

import pytest

import harness
from engine_wire import chunk
from name_server import NameServer, need_namespaces
from receiver import Receiver
from steps import LABEL, QUICK, fence, healed, raw, sick_and_healed, statuses

SANITIZED = harness.binary().parent.name == "san"
AUTH = f"Authorization: Bearer {harness.TOKEN}"


def private_memory(pid):
    """KiB of memory that is its own."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))


# ---- engines

@pytest.mark.first
def test_ten_thousand_containers(engine, autoheal):
    """All are watched, any of them is healed, and each takes some 200 bytes."""
    for i in range(10_000):
        engine.add(f"c{i:05}", labels=LABEL)
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, ready=False, AUTOHEAL_LOG_LEVEL="WARNING").wait_up().wait_ready(60)
    assert ah.get("/api/status", token=True).json()["monitored_containers"] == 10_001
    sick_and_healed(engine, ah, web)
    if not SANITIZED:
        assert private_memory(ah.pid) < 6 * 1024, "KiB"


@pytest.mark.first
def test_a_flood_of_events(engine, autoheal):
    """100,000 events as fast as they can be written: none costs memory, and an illness in their midst is healed amid them."""
    web, chatty = engine.add("web", labels=LABEL), engine.add("chatty", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    piece = b"".join(engine.event_json(engine.make_event("health_status: healthy", chatty)) for _ in range(100))
    engine.emit_wire(chunk(piece))
    sick_and_healed(engine, ah, web)            # warm
    before = private_memory(ah.pid)
    for i in range(1000):
        engine.emit_wire(chunk(piece))
        if i == 500:
            engine.sicken(web)
    healed(engine, ah, web, 2, timeout=30)
    fence(engine, ah)
    assert len(engine.requests("GET", "^/events$")) == 1 and len(engine.posts()) == 2
    if not SANITIZED:
        assert private_memory(ah.pid) - before < 128, "KiB"


@pytest.mark.first
def test_a_thousand_five_hundred_fall_sick_at_once(engine, autoheal):
    """More inspects than may wait: all are looked at in the end, and healed, each once."""
    many = [engine.add(f"c{i:04}", labels=LABEL, health="unhealthy", streak=3) for i in range(1500)]
    ah = autoheal(engine, ready=False, AUTOHEAL_STORM="off", AUTOHEAL_MAX_PARALLEL="64", AUTOHEAL_LOG_LEVEL="WARNING",
                  AUTOHEAL_INTERVAL="5").wait_up()
    harness.wait(lambda: all(c.health == "healthy" for c in many), 90, "the heal of all", 0.2)
    paths = [r.path for r in engine.posts()]
    assert len(paths) == len(set(paths)) == 1500
    assert ah.alive()


@pytest.fixture
def names():
    need_namespaces()
    with NameServer() as server:
        yield server


def test_names_with_too_much(names, make_engine, autoheal, tmp_path):
    """Twelve addresses, of which the first eight are dead; nine search domains; five name servers: no more than may be are used."""
    engine = make_engine(tcp=True, address="127.0.0.1", socket_path=None)
    web = engine.add("web", labels=LABEL)
    names.zone["engine.test"] = [f"127.0.0.{i}" for i in range(20, 28)] + ["127.0.0.1"] * 4
    names.zone["short.d0.test"] = ["127.0.0.1"] * 12
    search = " ".join(f"d{i}.test" for i in range(9))
    more = "".join(f"nameserver 127.99.0.{i}\n" for i in range(5))
    ah = autoheal(f"tcp://short:{engine.port}", wrapper=names.wrapper(tmp_path, options=f"search {search}\n{more}"))
    sick_and_healed(engine, ah, web)
    lost = autoheal(f"tcp://nobody:{engine.port}", ready=False, wrapper=names.wrapper(tmp_path, options=f"search {search}\n{more}"))
    lost.wait_up()
    lost.wait_log("ERROR.*nobody", 20)
    asked = {name for name, _ in names.asked if name.startswith("nobody")}
    assert {f"nobody.d{i}.test" for i in range(6)} <= asked and not {f"nobody.d{i}.test" for i in range(6, 9)} & asked
    dead = autoheal(f"tcp://engine.test:{engine.port}", ready=False, wrapper=names.wrapper(tmp_path))
    dead.wait_up()
    dead.wait_log("ERROR.*engine.test", 20)


def test_a_hosts_file_that_is_too_large(names, make_engine, autoheal, tmp_path):
    """64 KiB of it are read: a line among them counts, one behind them does not, and the name server is asked."""
    engine = make_engine(tcp=True, address="127.0.0.1", socket_path=None)
    web = engine.add("web", labels=LABEL)
    filler = "".join(f"10.0.{i // 250}.{i % 250} host{i}\n" for i in range(5000))
    names.zone["late.test"] = ["127.0.0.1"]
    hosts = "127.0.0.1 localhost early.test\n" + filler + "127.0.0.9 late.test\n"
    assert len(hosts) > 65536 + 100
    ah = autoheal(f"tcp://early.test:{engine.port}", wrapper=names.wrapper(tmp_path, hosts=hosts))
    assert not names.asked
    autoheal(f"tcp://late.test:{engine.port}", wrapper=names.wrapper(tmp_path, hosts=hosts)).stop()
    assert ("late.test", "A") in names.asked
    sick_and_healed(engine, ah, web)


def test_a_parent_of_seventy(engine, autoheal):
    """Sixty-four are restarted with it, six are named."""
    vpn = engine.add("vpn", labels=LABEL)
    for i in range(70):
        engine.add(f"child{i:02}", network_mode=f"container:{vpn.id}", healthcheck=False, up=200.0)
    ah = autoheal(engine, AUTOHEAL_STORM="off", AUTOHEAL_MAX_PARALLEL="64")
    engine.sicken(vpn)
    healed(engine, ah, vpn)
    engine.wait_request("POST", "/restart$", 65, 20)
    ah.wait_log("is not restarted with 'vpn': 64 others are already", count=6)
    fence(engine, ah)
    assert len(engine.posts()) == 65


@pytest.mark.first
def test_many_parents_at_once(engine, autoheal):
    """Eighty parents are restarted while the list of what hangs on them does not come: a warning for those beyond 64."""
    parents = [engine.add(f"vpn{i:02}", labels=LABEL) for i in range(80)]
    for i, parent in enumerate(parents):
        engine.add(f"child{i:02}", network_mode=f"container:{parent.id}", healthcheck=False, up=200.0)
    ah = autoheal(engine, AUTOHEAL_STORM="off", AUTOHEAL_MAX_PARALLEL="128", AUTOHEAL_LOG_LEVEL="WARNING")
    engine.fault("GET", "^/containers/json$", before=3)
    engine.sicken(*parents)
    for parent in parents:
        engine.wait_restart(parent, timeout=20)
    ah.wait_log("What hangs on 'vpn[0-9]+' is not restarted with it: too many", 20)
    harness.wait(lambda: all(p.health == "healthy" for p in parents), 20, "the heal of all")
    assert ah.alive()


# ---- the API

@pytest.mark.first
def test_a_thousand_connections(engine, autoheal):
    """From forty threads, some silent, some with half a request, some with a whole one: bounded, and a heal amid them."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    codes, most = [], [0]

    def knock(number):
        for i in range(25):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ah.port), 2) as s:
                s.settimeout(2)
                kind = (number + i) % 3
                if kind:
                    s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + (b"\r\n" if kind == 2 else b""))
                if kind == 2:
                    codes.extend(statuses(s.recv(4096)))
            most[0] = max(most[0], len(os.listdir(f"/proc/{ah.pid}/fd")))

    threads = [threading.Thread(target=knock, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    engine.sicken(web)
    engine.wait_restart(web, timeout=10)
    for thread in threads:
        thread.join()
    assert set(codes) <= {200, 503} and codes.count(200) > 20
    assert most[0] < 64 + 40                    # the clients, and what else there is
    harness.wait(lambda: ah.get("/health").status == 200, what="an answer after the crowd")
    ah.wait_event("recovered", "web")


@pytest.mark.parametrize("size,status", [(65536, 400), (65537, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies(engine, autoheal, size, status, chunked):
    """64 KiB are read (and are no JSON); a byte more is 413, told by its length or found in its chunks."""
    ah = autoheal(engine)
    head = f"POST /api/containers/select HTTP/1.1\r\nHost: localhost\r\n{AUTH}\r\nContent-Type: application/json\r\n"
    body = b"x" * size
    if chunked:
        wire = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
            chunk(body[i:i + 4096]) for i in range(0, size, 4096)) + b"0\r\n\r\n"
    else:
        wire = head.encode() + b"Content-Length: %d\r\n\r\n" % size + body
    assert statuses(raw(ah.port, wire, finish=False, timeout=2)) == [status]
    assert ah.get("/health").status == 200


def test_more_sent_ahead_than_is_held(engine, autoheal):
    """Megabytes of requests in one go, never read from: held in bounds, and others are answered."""
    ah = autoheal(engine)
    one = b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 4000 + b"\r\n\r\n"
    before = private_memory(ah.pid)
    with socket.create_connection(("127.0.0.1", ah.port), 1) as s:
        s.settimeout(1)
        with contextlib.suppress(OSError):
            for _ in range(4000):
                s.sendall(one)
        assert ah.get("/health").status == 200
        if not SANITIZED:
            assert private_memory(ah.pid) - before < 1024, "KiB"


@pytest.mark.long
def test_an_idle_connection_is_closed(engine, autoheal):
    """After 75 s without a request."""
    ah = autoheal(engine)
    with socket.create_connection(("127.0.0.1", ah.port), 90) as s:
        s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert statuses(s.recv(4096)) == [200]
        begin = time.monotonic()
        while s.recv(4096):
            pass
        assert 70 < time.monotonic() - begin < 85


@pytest.mark.parametrize("size,code", [(255, None), (256, 64), (100_000, 64)])
def test_a_token_that_is_too_long(engine, autoheal, size, code):
    if code is None:
        ah = autoheal(engine, AUTOHEAL_API_TOKEN="t" * size)
        assert ah.post("/api/maintenance/enable", {"for": "1s"}, token="t" * size).status == 200
        return
    done = harness.run(DOCKER_HOST=engine.url, AUTOHEAL_LISTEN="off", AUTOHEAL_API_TOKEN="t" * size)
    assert done.returncode == code and "longer than 255 bytes" in done.stderr


def test_too_many_choices(engine, autoheal):
    """Sixty-four names in one call, not a sixty-fifth; nothing is half-applied."""
    many = [engine.add(f"c{i:02}", labels=LABEL) for i in range(65)]
    ah = autoheal(engine)
    wanted = {"container_ids": [c.name for c in many], "enabled": False}
    answer = ah.post("/api/containers/select", wanted)
    assert answer.status == 422 and "at most 64" in answer.json()["error"]
    assert not ah.events("selection")
    assert ah.post("/api/containers/select", {**wanted, "container_ids": wanted["container_ids"][:64]}).status == 200
    assert len(ah.events("selection")) == 64


@pytest.mark.parametrize("length,named", [(30, 8), (200, 6)])
def test_ten_of_one_prefix(engine, autoheal, length, named):
    """Eight candidates are named; long names are cut, and fewer of them have room."""
    for i in range(10):
        engine.add("n" * length + str(i), labels=LABEL, id=f"abcd{i}" + "0" * 59)
    ah = autoheal(engine)
    answer = ah.get("/api/containers/abcd", token=True)
    assert answer.status == 409 and answer.json()["error"].count(" (abcd") == named


@pytest.mark.parametrize("size", [299, 300, 3000])
def test_a_name_that_is_too_long(engine, autoheal, size):
    ah = autoheal(engine)
    assert ah.get("/api/containers/" + "n" * size, token=True).status == 404


# ---- notices

def test_seventeen_targets(engine, autoheal):
    """Sixteen are taken; the seventeenth is left out with a warning; the heartbeat beats beside them."""
    with Receiver() as post:
        beat = post.url("/beat")
        urls = ",".join(f"http://127.0.0.1:9/{i}" for i in range(17))
        ah = autoheal(engine, AUTOHEAL_NOTIFY=urls, AUTOHEAL_HEARTBEAT_URL=beat)
        assert len(ah.log_lines("no room for more than 16 targets")) == 1
        assert post.wait(1).path == "/beat"
        ah.stop()
        post.log.clear()
        ah = autoheal(engine, AUTOHEAL_NOTIFY=urls.rpartition(",")[0], AUTOHEAL_HEARTBEAT_URL=beat)
        assert not ah.log_lines("no room")
        assert post.wait(1).path == "/beat"


@pytest.mark.first
def test_a_queue_of_notices_that_is_full(engine, autoheal):
    """The receiver hangs while twenty-five fall sick: sixteen wait, the oldest of the others are dropped and counted."""
    many = [engine.add(f"c{i:02}", labels=LABEL, heals_after=0.1) for i in range(25)]
    with Receiver() as post:
        post.always = "hang"
        ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(), AUTOHEAL_STORM="off", AUTOHEAL_NOTIFY_EVENTS="recovered")
        for container in many:
            engine.sicken(container)
            ah.wait_event("recovered", container.name, timeout=10)
        metrics = ah.get("/metrics", token=True).text
        dropped = [line for line in metrics.splitlines() if 'result="dropped"' in line and "noti" in line]
        assert dropped and float(dropped[0].split()[-1]) >= 8, dropped


@pytest.mark.long
def test_a_script_that_does_not_end(engine, autoheal, tmp_path):
    """It is killed after a minute with all that it began; the next run has its turn."""
    script = tmp_path / "after.sh"
    script.write_text("#!/bin/sh\nsleep 300 & sleep 300\n")
    script.chmod(0o755)
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, POST_RESTART_SCRIPT=script, **QUICK)
    sick_and_healed(engine, ah, web)
    ah.wait_log("POST_RESTART_SCRIPT for 'web' was killed: it took longer than 60 s", 75)
    script.write_text("#!/bin/sh\n")
    sick_and_healed(engine, ah, web, 2)
    ah.wait_log("POST_RESTART_SCRIPT for 'web' ended with exit code 0")

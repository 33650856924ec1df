"""GET /api/events/stream: the audit events as they come, to clients that are slow, gone, or come back."""
import http.client
import json
import pathlib
import re
import socket
import time

import pytest

import harness
from steps import LABEL, fence, long_past, raw, sick_and_healed, statuses

PATH = "/api/events/stream"
STREAMS_MAX = 32        # half of the clients


class Stream:
    """A client that follows the events."""

    def __init__(self, ah, query="", timeout=10.0, local=False, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", ah.port, timeout=timeout)
        if local:                               # here the kernel takes 200 KiB, where it may take megabytes over TCP
            self.connection.sock = socket.socket(socket.AF_UNIX)
            self.connection.sock.settimeout(timeout)
            self.connection.sock.connect(f"\0autoheal-{ah.instance}")
        self.connection.request("GET", PATH + query, headers={k.replace("_", "-"): v for k, v in headers.items()})
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def block(self):
        """The next lines up to an empty one, as (field, value) pairs; a comment has the field ''."""
        pairs = []
        while line := self.answer.readline():
            assert line.endswith(b"\n")
            if line == b"\n":
                return pairs
            field, _, value = line[:-1].decode().partition(":")
            pairs.append((field, value.removeprefix(" ")))
        raise EOFError

    def next(self):
        """The next event or gap: (its kind, '' where it has none, id, data)."""
        while True:
            block = dict(self.block())
            if "data" in block:
                return block.get("event", ""), int(block["id"]) if "id" in block else None, json.loads(block["data"])

    def event(self):
        kind, seq, data = self.next()
        assert kind == "" and seq == data["seq"]
        return data

    def close(self):
        self.connection.close()
        self.answer.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


@pytest.fixture
def web(engine):
    return engine.add("web", labels=LABEL)


@pytest.fixture
def ah(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_API_READS="open")
    ah.wait_event("auto_monitor", "web")
    return ah


def newest(ah):
    return ah.events(limit=1)[0]["seq"]


def toggle(ah, times):
    """So many audit events, fast: maintenance on and off, on one connection."""
    head = b"Host: localhost\r\nAuthorization: Bearer " + harness.TOKEN.encode() + b"\r\n"
    one = b"".join(b"POST /api/maintenance/%s HTTP/1.1\r\n" % what + head + b"Content-Length: 0\r\n\r\n"
                   for what in (b"enable", b"disable"))
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", ah.port), 30) as s:
        for _ in range(times // 2):
            s.sendall(one)
            got = b""
            while got.count(b"HTTP/1.1 200") < 2:
                got += s.recv(65536)
        s.sendall(last)
        assert statuses(s.recv(65536)) == [200]


# ---- what it says

def test_events_as_they_come(engine, ah, web):
    with Stream(ah) as s:
        assert s.status == 200 and s.answer.headers["Content-Type"] == "text/event-stream"
        assert s.answer.headers["Cache-Control"] == "no-store" and s.answer.headers["X-Accel-Buffering"] == "no"
        assert s.block() == [("retry", "3000"), ("id", str(newest(ah)))]
        sick_and_healed(engine, ah, web)
        assert [s.event() for _ in range(2)] == ah.events()[-2:]
        fence(engine, ah)
        assert s.event() == ah.events()[-1]


def test_each_event_is_one_block_of_two_lines(engine, ah):
    engine.start_container("odd", labels={**LABEL, "monitoring.id": "a\nid: 7\n\ndata: {}\u2028b"})
    ah.wait_event("auto_monitor")
    with Stream(ah, "?since=0") as s:
        s.block()
        for expected in ah.events():
            (id_, seq), (data, text) = s.block()
            assert (id_, data) == ("id", "data") and int(seq) == expected["seq"] and json.loads(text) == expected


def test_only_what_is_wanted(engine, ah, web):
    with Stream(ah, "?type=restart,config") as kinds, Stream(ah, "?container=other") as other, \
            Stream(ah, "?host=elsewhere&since=0") as nothing:
        sick_and_healed(engine, ah, web)
        engine.start_container("other", labels=LABEL)
        ah.wait_event("auto_monitor", "other")
        ah.delete("/api/events")
        assert [kinds.event()["event_type"] for _ in range(2)] == ["restart", "config"]
        assert other.event()["container_name"] == "other"
        nothing.connection.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            nothing.next()


@pytest.mark.parametrize("reads,token,shown", [("safe", None, "***"), ("safe", harness.TOKEN, "secret=1"), ("open", None, "secret=1")])
def test_what_a_probe_said_is_masked(engine, web, autoheal, tmp_path, reads, token, shown):
    ah = autoheal(engine, AUTOHEAL_API_READS=reads, AUTOHEAL_DATA_DIR=tmp_path)
    ah.stop()
    one = {"timestamp": "2026-01-01T00:00:00.000Z", "container_id": "", "container_name": "old", "event_type": "restart",
           "restart_count": 1, "status": "success", "message": "m", "seq": 500, "host": "local", "health_output": "secret=1"}
    (tmp_path / "events.jsonl").write_text('{"autoheal":1}\n' + json.dumps(one) + "\n")
    ah.start()
    ah.wait_ready()
    with Stream(ah, "?since=499", **({"Authorization": f"Bearer {token}"} if token else {})) as s:
        assert s.event()["health_output"] == shown


def test_who_may_follow(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_API_READS="token")
    with Stream(ah) as s:
        assert s.status == 401
    with Stream(ah, Authorization=f"Bearer {harness.TOKEN}") as s:
        assert s.status == 200
    assert ah.get(PATH, {"Origin": "http://evil.example"}).status == 403


def test_head_and_bad_words(ah):
    answer = raw(ah.port, b"HEAD %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % PATH.encode(), finish=False)
    assert statuses(answer) == [200] and b"text/event-stream" in answer and answer.endswith(b"\r\n\r\n")
    for query, headers in (("?since=x", {}), ("?type=nope", {}), ("", {"Last-Event-ID": "x"}), ("", {"Last-Event-ID": "-1"})):
        answer = ah.get(PATH + query, headers)
        assert answer.status == 400 and answer.json()["error"]


def test_an_old_client_hears_too(engine, ah, web):
    """HTTP/1.0 knows no chunks: the bytes as they are."""
    with socket.create_connection(("127.0.0.1", ah.port), 5) as s:
        s.sendall(b"GET %s?since=0 HTTP/1.0\r\n\r\n" % PATH.encode())
        got = b""
        while b"}\n\n" not in got:
            got += s.recv(4096)
        head, _, body = got.partition(b"\r\n\r\n")
        assert b"chunked" not in head and body.startswith(b"retry: 3000\n")


# ---- coming back

def test_resuming(engine, ah, web):
    sick_and_healed(engine, ah, web)
    events = ah.events()
    seqs = [e["seq"] for e in events]
    with Stream(ah, "?since=0") as all_, Stream(ah, f"?since={seqs[0]}") as some, \
            Stream(ah, "?since=0", Last_Event_ID=str(seqs[-2])) as last, Stream(ah, Last_Event_ID=str(seqs[-1])) as none:
        assert [all_.event() for _ in seqs] == events
        assert [some.event() for _ in seqs[1:]] == events[1:]
        assert last.event() == events[-1]
        fence(engine, ah)
        for s in (all_, some, last, none):
            assert s.event()["seq"] == seqs[-1] + 1


def test_one_that_missed_too_much_is_told_so(engine, web, autoheal):
    """Without a folder only the ring is there: what it lost is said, not left out in silence."""
    ah = autoheal(engine, AUTOHEAL_EVENTS="5")
    toggle(ah, 12)
    last = newest(ah)
    with Stream(ah, Last_Event_ID="2") as s:
        assert s.next() == ("gap", last - 5, {"from": 3, "to": last - 5})
        assert [s.event()["seq"] for _ in range(5)] == list(range(last - 4, last + 1))
    with Stream(ah, Last_Event_ID=str(last - 5)) as s:
        assert s.event()["seq"] == last - 4         # nothing is missing
    with Stream(ah, Last_Event_ID="5000") as s:     # of another life, whose numbers were higher
        assert s.next() == ("gap", 0, {"from": 5000, "to": None})
        assert s.next()[0] == "gap" and s.event()["seq"] == last - 4


def test_what_the_ring_does_not_hold_comes_from_disk(engine, web, autoheal, tmp_path):
    ah = autoheal(engine, AUTOHEAL_DATA_DIR=tmp_path, AUTOHEAL_EVENTS="5", AUTOHEAL_API_READS="open")
    toggle(ah, 20)
    last = newest(ah)
    with Stream(ah, "?since=0") as s, Stream(ah, Last_Event_ID="3") as t:
        first = s.event()
        assert first["seq"] == 1 and [s.event()["seq"] for _ in range(last - 1)] == list(range(2, last + 1))
        assert t.event()["seq"] == 4 and t.event()["seq"] == 5       # one reads the disk at a time: the other waits
        fence(engine, ah)
        assert s.event()["event_type"] == "auto_monitor"
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    (tmp_path / "events.jsonl").write_text("\n".join(lines[:1] + lines[3:6] + lines[8:]) + "\n")
    with Stream(ah, "?since=0") as s:               # and what the disk lacks
        assert s.next() == ("gap", 2, {"from": 1, "to": 2})
        assert [s.event()["seq"] for _ in range(3)] == [3, 4, 5]
        assert s.next() == ("gap", 7, {"from": 6, "to": 7})
        assert s.event()["seq"] == 8


def test_events_that_were_cleared_are_no_riddle(engine, ah):
    with Stream(ah) as s:
        ah.delete("/api/events")
        assert (s.event()["status"], s.event) and newest(ah)
    with Stream(ah, "?since=0") as s:
        kind, seq, _ = s.next()
        assert kind == "gap" and s.event()["seq"] == seq + 1


# ---- slow, many, gone

def anon(ah):
    text = pathlib.Path(f"/proc/{ah.pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", text).group(1))


def follow(slow, reached, last):
    """Reads up to the event `last`; returns how many gaps it was told of."""
    gaps = 0
    while reached < last:
        kind, seq, data = slow.next()
        if kind == "gap":
            assert data == {"from": reached + 1, "to": seq}
            gaps += 1
        else:
            assert seq == reached + 1
        reached = seq
    return gaps


def test_a_slow_client_hears_what_it_missed(engine, web, autoheal):
    """It is paused, whatever happens meanwhile, and costs no memory; then it goes on with what the ring still holds."""
    ah = autoheal(engine, AUTOHEAL_EVENTS="50")
    with Stream(ah, local=True) as slow, Stream(ah) as quick:
        reached = int(dict(slow.block())["id"])
        quick.block()
        before = anon(ah)
        for _ in range(10):
            toggle(ah, 200)
            for _ in range(200):
                quick.event()
        if "/san/" not in str(ah.program):
            assert anon(ah) - before < 200
        last = newest(ah)
        assert follow(slow, reached, last) == 1
        fence(engine, ah)
        assert slow.event()["seq"] == quick.event()["seq"] == last + 1


def test_a_slow_client_catches_up_off_the_disk(engine, web, autoheal, tmp_path):
    ah = autoheal(engine, AUTOHEAL_EVENTS="50", AUTOHEAL_DATA_DIR=tmp_path)
    long_past(ah, tmp_path)
    with Stream(ah, "?since=0", local=True) as slow, Stream(ah) as quick:
        for _ in range(60):                     # the ring is another one when the disk was read
            fence(engine, ah)
        last = newest(ah)
        assert last > 2050 and follow(slow, 0, last) == 0
        assert quick.event()["seq"] == last - 59
        fence(engine, ah)
        assert slow.event()["seq"] == last + 1


def test_half_of_the_clients_may_follow(engine, ah, web):
    """They are never idle, so they never make room for others; the other half of the places stays for short calls."""
    streams = [Stream(ah) for _ in range(STREAMS_MAX)]
    assert {s.status for s in streams} == {200}
    late = ah.get(PATH)
    assert late.status == 503 and late.json()["error"]
    idle = [socket.create_connection(("127.0.0.1", ah.port), 5) for _ in range(60)]
    assert ah.get("/health").status == 200
    sick_and_healed(engine, ah, web)
    for s in streams:
        assert [s.event()["event_type"] for _ in range(2)] == ["restart", "recovered"]
    for s in streams[:5]:
        s.close()

    def follows():
        s = Stream(ah)
        s.close()
        return s.status == 200
    harness.wait(follows, 2, "the place of one that left")
    for s in (*streams, *idle):
        s.close()


def test_what_a_client_sends_meanwhile_is_passed_over(engine, ah, web):
    with Stream(ah) as s:
        s.connection.sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000)
        fence(engine, ah)
        assert s.event()["event_type"] == "auto_monitor"


@pytest.mark.first
def test_silence_is_broken_by_a_comment(ah):
    """So a proxy does not cut the connection, and a client that vanished without a word is found."""
    with Stream(ah, timeout=40) as s:
        s.block()
        begin = time.monotonic()
        assert s.block() == [("", "")]
        assert 15 < time.monotonic() - begin < 35


def test_thirty_that_follow_are_cheap(engine, ah, web):
    if "/san/" in str(ah.program):
        pytest.skip("memory of the shipped binary only")
    ah.get("/health")
    before = anon(ah)
    streams = [Stream(ah) for _ in range(30)]
    for _ in range(3):
        toggle(ah, 40)
        for s in streams:
            for _ in range(40):
                s.event()
    grown = anon(ah) - before
    for s in streams:
        s.close()
    assert 0 < grown <= 1024

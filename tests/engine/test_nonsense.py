"""An engine, or whatever answers in its place, that talks nonsense: the service survives, says so, and goes on."""
import pytest

import harness
from engine_wire import chunk
from steps import LABEL, QUICK, fence, healed, sick_and_healed

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def complaint(ah):
    """Waits for a warning or an error; no line of the log is a screenful or carries control bytes."""
    ah.wait_log(" (WARNING|ERROR) ")
    for line in ah.log().splitlines():
        assert len(line) < 600 and line.isprintable(), line


GARBAGE = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "control bytes": b"\x00\x01\x02\x1b[31m\xff\xfe" * 100,
    "tls": b"\x15\x03\x01\x00\x02\x02\x46",
    "nothing": b"",
    "an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200000,
    "an empty status": b"HTTP/1.1 \r\n\r\n",
    "a status of a million": b"HTTP/1.1 1000000 OK\r\n\r\n",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "a vast length": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "html": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>hi</html>",
    "an empty object": HEAD + b"Content-Length: 2\r\n\r\n{}",
    "a list": HEAD + b"Content-Length: 2\r\n\r\n[]",
    "truncated json": HEAD + b"Content-Length: 14\r\n\r\n{\"ApiVersion\":",
    "a version of words": HEAD + b"Content-Length: 31\r\n\r\n{\"ApiVersion\":\"abc\",\"Version\":1}",
    "no hex": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a huge chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n{}\r\n",
    "a chunk too short": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{\"a\":1}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_in_place_of_answers(engine, autoheal, kind):
    """Every endpoint answers garbage: alive, unhealthy by its own word, a clear line; and well when it ends."""
    web = engine.add("web", labels=LABEL)
    fault = engine.fault(garbage=GARBAGE[kind])
    ah = autoheal(engine, ready=False).wait_up()
    engine.wait_request("GET")
    complaint(ah)
    answer = ah.get("/health")
    assert answer.status == 503 and answer.json()["reason"]
    assert len(engine.log) < 30
    fault.remove()
    ah.wait_ready(timeout=12)
    sick_and_healed(engine, ah, web)


def rewrite(old, new):
    return lambda answer: answer.replace(old, new)


LIES = {
    "truncated": {"close_after": 700},
    "cut in the header": {"close_after": 40},
    "wrong chunk sizes": {"rewrite": rewrite(b"\r\n1000\r\n", b"\r\n100\r\n")},
    "no json": {"status": 200, "body": b"OK"},
    "an object": {"status": 200, "body": {"message": "hello"}},
    "null": {"status": 200, "body": b"null"},
    "a deep nest": {"status": 200, "body": b"[" * 100000},
    "500": {"status": 500, "body": {"message": "database is locked\n\x1b[31m"}},
    "403": {"status": 403, "body": b"<html>403 Forbidden</html>", "headers": {"Content-Type": "text/html"}},
    "a redirect": {"status": 301, "headers": {"Location": "http://127.0.0.1:1/"}},
}


@pytest.mark.parametrize("kind", LIES)
def test_a_list_that_cannot_be_read(engine, autoheal, kind):
    """The list is broken for a while: said in the log, /health is not well, the next audit is."""
    web = engine.add("web", labels=LABEL)
    for i in range(20):
        engine.add(f"other{i}", labels={"x": "y" * 300})
    fault = engine.fault("GET", "^/containers/json$", **LIES[kind])
    ah = autoheal(engine, ready=False, AUTOHEAL_INTERVAL="1").wait_up()
    harness.wait(lambda: fault.hits >= 2, 12, "a second try")
    complaint(ah)
    assert ah.get("/health").status == 503
    fault.remove()
    ah.wait_ready(timeout=15)
    sick_and_healed(engine, ah, web)


ITEMS = [{}, {"Id": 7}, {"Id": "zz", "Names": [], "State": "running"}, {"Id": "a" * 64, "Names": None, "Labels": None},
         {"Id": "b" * 64, "Names": ["/x"], "Labels": {"autoheal": True}, "State": 1, "Status": []}, 5, None, "x", [[]],
         {"Id": "c" * 65, "Names": ["/long"], "Labels": LABEL, "State": "running", "Status": "Up (unhealthy)"}]


def test_strange_items_in_the_list(engine, autoheal):
    """An item without a usable id or of another type is passed over; the others count."""
    web = engine.add("web", labels=LABEL)
    engine.fault("GET", "^/containers/json$", status=200, body=[*ITEMS, web.list_item((1, 51))])
    ah = autoheal(engine)
    ah.wait_event("auto_monitor", "web")
    sick_and_healed(engine, ah, web)


EVENTS = {
    "null": b"null\n", "number": b"42\n", "string": b'"health_status: unhealthy"\n', "list": b"[]\n", "empty": b"{}\n",
    "wrong types": b'{"Type":1,"Action":[],"Actor":"x","timeNano":"y"}\n',
    "no actor": b'{"Type":"container","Action":"die"}\n',
    "an id that is none": b'{"Type":"container","Action":"start","Actor":{"ID":"../../etc","Attributes":{"autoheal":"true"}}}\n',
    "white space": b"\n\n \r\n\t\n",
    "a time of another age": b'{"Type":"container","Action":"die","Actor":{"ID":"' + b"d" * 64 +
                             b'","Attributes":{}},"time":99999999999999999999,"timeNano":-5}\n',
}


@pytest.mark.parametrize("kind", EVENTS)
def test_strange_events_are_passed_over(engine, autoheal, kind):
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    engine.emit(EVENTS[kind])
    sick_and_healed(engine, ah, web)
    assert not engine.forbidden() and len(engine.posts()) == 1


BROKEN = {
    "not json": b"this is no event\n", "half": b'{"Type":"container",\n}\n', "deep": b"[" * 100000,
    "binary": bytes(range(256)) * 20, "bad utf-8": b'{"Type":"container","Action":"\xff\xfe\xc0\xaf"}\n',
    "a colon too much": b'{"a"::1}\n',
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_stream_that_breaks_is_opened_anew(engine, autoheal, kind):
    """Bytes that are no JSON: the next illness is still healed, by a new stream or the same."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="2")
    engine.emit(BROKEN[kind])
    engine.sicken(web)
    healed(engine, ah, web, timeout=10)
    for line in ah.log().splitlines():
        assert len(line) < 600 and line.isprintable(), line


@pytest.mark.parametrize("wire", [b"zz\r\n", b"-1\r\n", b"5\r\nabcdefghij\r\n", b"ffffffffffffffffff\r\n", b"\x00\xff" * 50])
def test_wrong_chunk_sizes_in_the_stream(engine, autoheal, wire):
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    engine.emit_wire(wire)
    engine.wait_request("GET", "^/events$", count=2)
    engine.sicken(web)
    healed(engine, ah, web, timeout=10)


def test_a_label_of_a_megabyte(engine, autoheal):
    """One container's JSON is beyond every bound: it is passed over with a word, the others are not."""
    big = engine.add("big", labels={**LABEL, "novel": "n" * (1 << 20)})
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    engine.event("start", big)
    engine.sicken(big)
    sick_and_healed(engine, ah, web)
    assert harness.wait(lambda: ah.log_lines(" (WARNING|ERROR) "), what="a word about it")
    fence(engine, ah)


def test_two_hundred_labels(engine, autoheal):
    """Many labels are no reason to pass a container over."""
    web = engine.add("web", labels={**{f"label.number.{i}": f"value {i}" for i in range(200)}, **LABEL})
    ah = autoheal(engine)
    ah.wait_event("auto_monitor", "web")
    sick_and_healed(engine, ah, web)


def test_foreign_text_cannot_forge_the_log(engine, autoheal):
    """Names, messages and probe outputs are foreign: no control byte, escape or line of theirs reaches the log."""
    web = engine.add("web", labels={**LABEL, "monitoring.id": "x\n2025-01-01 00:00:00 - monitor - ERROR - forged\x1b[2J"})
    engine.fault("POST", "/restart", status=500, body={"message": "boom\r\nforged line\x1b]0;x\x07\u202e\u009b"}, times=1)
    ah = autoheal(engine, AUTOHEAL_LOG_LEVEL="DEBUG")
    engine.sicken(web, output="\x1b[31m\x00")
    ah.wait_event("restart", status="failure")
    fence(engine, ah)
    for line in ah.log().splitlines():
        assert line.isprintable() and not line.startswith("forged"), line
    assert not ah.log_lines("^2025-01-01 00:00:00")


def test_a_200_for_a_restart_is_good_enough(engine, autoheal):
    """Some proxies turn 204 into 200 with a body."""
    web = engine.add("web", labels=LABEL, heals_after=0.2)
    ah = autoheal(engine, **QUICK)
    engine.fault("POST", "/restart", rewrite=lambda _: HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"{}") + b"0\r\n\r\n")
    sick_and_healed(engine, ah, web)
    assert len(engine.restarts(web)) == 1

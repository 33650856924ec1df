"""One event, many shapes: what the bytes look like must not matter."""
import json

import pytest

from engine_wire import chunk
from steps import LABEL, fence, healed, left_alone, sick_and_healed


@pytest.mark.parametrize("api", ["1.51", "1.52"])
def test_with_and_without_the_old_members(make_engine, autoheal, api):
    """`status`, `id` and `from` are gone from API 1.52 on: tools that read them add no container any more."""
    engine = make_engine(api=api)
    ah = autoheal(engine)
    web = engine.start_container("web", labels=LABEL)
    assert ("id" in json.loads(engine.event_json(engine.ring[-1], (1, int(api[2:]))))) is (api == "1.51")
    ah.wait_event("auto_monitor", "web")
    sick_and_healed(engine, ah, web)


def events_of(engine, container, *actions):
    return [engine.event_json(engine.make_event(action, container)).rstrip(b"\n") for action in actions]


FORMS = {
    "json-seq": lambda e: b"\x1e" + e + b"\n",
    "crlf": lambda e: e + b"\r\n",
    "no line feed": lambda e: e,
    "spread out": lambda e: json.dumps(json.loads(e), indent=4).encode() + b"\n",
    "escaped": lambda e: e.replace(b"health_status", b"he\\u0061lth_status") + b"\n",
    "members in another order": lambda e: json.dumps(dict(reversed(json.loads(e).items()))).encode() + b"\n",
    "unknown members": lambda e: json.dumps({"x": [{"Action": "die"}], **json.loads(e), "y": None}).encode() + b"\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_other_ways_to_write_it(engine, autoheal, form):
    """json-seq, CRLF, no separator, other white space, escapes."""
    web, db = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL)
    ah = autoheal(engine)
    for container in (web, db):
        container.health, container.streak = "unhealthy", 3
    engine.emit(b"".join(FORMS[form](e) for c in (web, db) for e in events_of(engine, c, "health_status: unhealthy")))
    healed(engine, ah, web)
    healed(engine, ah, db)


def test_cut_at_every_byte(engine, autoheal):
    """The answer of the engine is cut at each byte of an event in turn, chunk header and line end included."""
    probe = engine.add("x000", labels=LABEL)
    length = len(chunk(engine.event_json(engine.make_event("health_status: unhealthy", probe))))
    many = [probe] + [engine.add(f"x{i:03d}", labels=LABEL) for i in range(1, length + 1)]
    ah = autoheal(engine, AUTOHEAL_STORM="off", AUTOHEAL_MAX_PARALLEL="64")
    for position, container in enumerate(many):
        container.health, container.streak = "unhealthy", 3
        engine.emit_wire(chunk(engine.event_json(engine.make_event("health_status: unhealthy", container))), [position])
    for container in many:
        engine.wait_restart(container, timeout=20)
    fence(engine, ah)
    assert [len(engine.restarts(c)) for c in many] == [1] * len(many)
    assert ah.get("/api/status").json()["engines"][0]["reconnects"] == 0


def test_in_single_bytes_over_tcp(make_engine, autoheal):
    """Lists and events in pieces of one byte."""
    engine = make_engine(tcp=True)
    web = engine.add("web", labels=LABEL)
    engine.fault("GET", "^/(version|containers/json)$", cuts=range(1, 4000), pause=0)
    ah = autoheal(engine)
    engine.sicken(web)
    engine.wait_restart(web)
    wire = chunk(engine.event_json(engine.make_event("health_status: healthy", web)))
    web.health = "healthy"
    engine.emit_wire(wire, range(1, len(wire)), 0)
    ah.wait_event("recovered", "web")


def test_many_chunks_for_one_event_and_many_events_in_one_chunk(engine, autoheal):
    web, db = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL)
    ah = autoheal(engine)
    web.health = db.health = "unhealthy"
    web.streak = db.streak = 3
    one, two = (engine.event_json(engine.make_event("health_status: unhealthy", c)) for c in (web, db))
    engine.emit_wire(b"".join(chunk(one[i:i + 7]) for i in range(0, len(one), 7)))
    healed(engine, ah, web)
    engine.emit_wire(b"%X;extension=1\r\n%s\r\n" % (len(two), two))
    healed(engine, ah, db)


@pytest.mark.parametrize("later", ["pause", "kill", "health_status: healthy", "die", "destroy"])
def test_a_later_event_of_the_same_read_cancels(engine, autoheal, later):
    """All events of one read are applied before anything is sent."""
    web, mark = engine.add("web", labels=LABEL), engine.add("mark", labels=LABEL)
    ah = autoheal(engine)
    with engine.lock:
        web.health = {"health_status: healthy": "healthy"}.get(later, "unhealthy")
        web.streak = 0
        web.state = {"pause": "paused", "die": "exited", "kill": "running"}.get(later, "running")
        engine.batch(("health_status: unhealthy", web), (later, web), ("health_status: unhealthy", mark))
    engine.wait_restart(mark)
    left_alone(engine, ah, web)


def test_events_of_other_kinds_mean_nothing(engine, autoheal):
    """An image, network or volume event that carries a container's id; an action that only begins like ours."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    event = engine.make_event("health_status: unhealthy", web)
    for kind in ("image", "network", "daemon"):
        engine.emit(engine.event_json({**event, "type": kind}))
    for action in ("health_status: unhealthy?", "health_status", "health_statusX", "restarted", "exec_die", "oom", "top"):
        engine.emit(engine.event_json(engine.make_event(action, web)))
    left_alone(engine, ah, web)


def test_labels_may_say_anything(engine, autoheal):
    """Labels are copied into the attributes, over event fields: only Action and Actor.ID are trusted."""
    labels = {**LABEL, "exitCode": "0", "signal": "9", "Action": "die", "quote": '"}\\{][', "control": "\x01\x1b[31m\r\n",
              "utf": "ä€😀\ud7ff", "": "", "a.b.c": "x", "Actor": "{", "long": "l" * 3000, "execID": "1"}
    ah = autoheal(engine)
    web = engine.start_container("web", labels=labels)
    ah.wait_event("auto_monitor", "web")
    sick_and_healed(engine, ah, web)
    assert ah.container("web")["labels"] == labels

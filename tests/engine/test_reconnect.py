"""The stream is cut, the engine goes away, events are lost: nothing sick stays unnoticed, nothing is healed twice."""
import time

import pytest

import harness
from steps import LABEL, QUICK, fence, gaps, healed, left_alone, sick_and_healed


def nano(since):
    seconds, _, fraction = since.partition(".")
    return int(seconds) * 10**9 + int((fraction + "0" * 9)[:9])


def reconnected(engine, ah, count=2):
    """Waits for the count-th stream and the list after it; returns the stream's request."""
    stream = engine.wait_request("GET", "^/events$", count, timeout=15)
    harness.wait(lambda: [r for r in engine.requests("GET", "^/containers/json$") if r.time > stream.time and r.answered],
                 what="a list after the reconnect")
    ah.wait_ready()
    return stream


def test_a_cut_stream_is_taken_up_where_it_was(engine, autoheal):
    """Proxies cut an idle stream every ten minutes: at once a new one, since the last event seen, then a list."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    sick_and_healed(engine, ah, web)
    fence(engine, ah)
    last = engine.last_nano
    cut = time.monotonic()
    engine.drop_streams()
    stream = reconnected(engine, ah)
    assert stream.time - cut < 0.5
    assert "since" in stream.query and last - 2 * 10**9 <= nano(stream.query["since"]) <= last
    first = engine.requests("GET", "^/events$")[0]
    assert first.query["filters"] == stream.query["filters"] and "container" in first.query["filters"]
    assert ah.get("/api/status").json()["engines"][0]["reconnects"] == 1
    fence(engine, ah)
    assert len(engine.restarts(web)) == 1


def test_replayed_events_are_not_acted_on_again(engine, autoheal):
    """`since` is inclusive: the last event comes again after every reconnect. One illness, one heal."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    sick_and_healed(engine, ah, web)
    for count in range(2, 6):
        engine.drop_streams()
        reconnected(engine, ah, count)
    fence(engine, ah)
    assert len(engine.restarts(web)) == 1
    assert len(ah.events("restart", "web")) == len(ah.events("recovered", "web")) == 1
    assert len(ah.events("auto_monitor", "web")) == 1


def test_the_same_event_twice_is_one_event(engine, autoheal):
    """Same timeNano, id and action, a cut between: the second is a replay."""
    web = engine.add("web", labels=LABEL, heals_after=0.01)
    ah = autoheal(engine, **QUICK)
    sick = engine.make_event("health_status: unhealthy", web)
    engine.ring.append(sick)
    web.health, web.streak = "unhealthy", 3
    engine.emit(engine.event_json(sick))
    healed(engine, ah, web)
    engine.drop_streams()
    reconnected(engine, ah)
    fence(engine, ah)
    assert len(engine.restarts(web)) == 1


def test_sick_in_the_gap_is_found_by_the_list(engine, autoheal):
    """300 probe events push it out of the engine's memory of 256: only the list can tell."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    engine.stop()
    ah.wait_log("lost")
    engine.sicken(web)
    for i in range(300):
        engine.event("exec_create: true", web)
    engine.start()
    healed(engine, ah, web, timeout=10)


def test_what_happened_in_the_gap_is_replayed(engine, autoheal):
    """A start, a person's stop and an illness while nobody listened."""
    stopped, sick = engine.add("stopped", labels=LABEL), engine.add("sick", labels=LABEL)
    ah = autoheal(engine)
    fence(engine, ah)
    engine.stop()
    ah.wait_log("lost")
    engine.stop_by_person(stopped)
    engine.sicken(sick)
    new = engine.start_container("new", labels=LABEL)
    engine.start()
    ah.wait_event("auto_monitor", "new", timeout=10)
    healed(engine, ah, sick, timeout=10)
    assert ah.container("stopped")["phase"] == "hands_off"
    left_alone(engine, ah, stopped, new)


def test_a_gap_before_the_first_event(engine, autoheal):
    """Nothing had happened yet when the stream was cut: what happens in the gap is asked for all the same."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    engine.stop()
    ah.wait_log("lost")
    engine.stop_by_person(web)
    engine.start()
    stream = engine.wait_request("GET", "^/events$", count=2, timeout=10)
    assert "since" in stream.query
    ah.wait_phase("web", "hands_off")


def test_a_new_daemon_that_remembers_nothing(engine, autoheal):
    """The ring is lost with the daemon, and the containers may have other states."""
    web, gone = engine.add("web", labels=LABEL), engine.add("gone", labels=LABEL)
    ah = autoheal(engine)
    engine.stop()
    ah.wait_log("lost")
    engine.ring.clear()
    del engine.containers[gone.id]
    engine.set_health(web, "unhealthy", event=False)
    engine.add("late", labels=LABEL)
    engine.start()
    healed(engine, ah, web, timeout=10)
    ah.wait_event("auto_monitor", "late")
    assert ah.get("/api/containers/gone").status == 404


@pytest.mark.first
def test_an_engine_that_is_away_is_asked_for_ever_more_slowly(engine, autoheal):
    """At once, then after 1, 2, 4 s: no tight loop, no giving up; told once, and told when it is back."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    connected = len(ah.events("engine_connected"))
    fault = engine.fault(garbage=b"")
    before = len(engine.log)
    cut = time.monotonic()
    engine.drop_streams()
    harness.wait(lambda: len({r.connection for r in engine.log[before:]}) >= 4, 10, "four tries")
    times = [cut]
    for r in engine.log[before:]:
        if r.time - times[-1] > 0.3 or len(times) == 1:
            times.append(r.time)
    waits = [b - a for a, b in zip(times, times[1:])]
    assert waits[0] < 0.3 and 0.8 < waits[1] < 1.5 and 1.8 < waits[2] < 2.6 and 3.7 < waits[3] < 4.8
    ah.wait_log("lost")
    assert ah.wait_event("engine_lost")["status"] == "lost"
    assert len(ah.events("engine_lost")) == 1
    health = ah.get("/health").json()
    assert health["docker_connected"] is False
    fault.remove()
    ah.wait_event("engine_connected", status="connected", timeout=12, count=connected + 1)
    assert ah.log_lines("connected")
    sick_and_healed(engine, ah, web)


def test_lost_and_found_is_told(engine, autoheal):
    """engine_lost, engine_connected, /health and the log agree."""
    ah = autoheal(engine)
    connected = len(ah.events("engine_connected"))
    engine.stop()
    ah.wait_log("lost")
    lost = ah.wait_event("engine_lost")
    assert lost["host"] == "local" and lost["message"] and lost["container_id"] == ""
    harness.wait(lambda: not ah.get("/api/status").json()["docker_connected"], what="docker_connected to be false")
    assert ah.get("/api/status").json()["engines"][0]["error"]
    engine.start()
    ah.wait_event("engine_connected", count=connected + 1, timeout=10)
    health = ah.get("/health").json()
    assert health["docker_connected"] and health["engines"][0]["connected"] and health["engines"][0]["error"] is None


def test_a_loss_soon_after_a_cut_is_told(engine, autoheal):
    """A row of cuts that heal at once is told once; an engine that then goes away for good is told at its first
    failed try, not when it is back."""
    ah = autoheal(engine)
    for count in (2, 3):
        harness.wait(lambda: time.monotonic() - engine.wait_stream().request.time > 1.1, what="a stream that stood")
        engine.drop_streams()
        reconnected(engine, ah, count)
    assert len(ah.events("engine_lost")) == len(ah.events("engine_connected")) - 1 == 1
    engine.stop()
    assert ah.wait_event("engine_lost", count=2)["message"]
    engine.start()
    ah.wait_event("engine_connected", count=3, timeout=10)
    assert len(ah.events("engine_lost")) == 2


def test_a_stream_without_a_list_is_told_once(engine, autoheal):
    """A proxy lets the stream pass and refuses the list: tried again and again, and told once, until a list comes."""
    web = engine.add("web", labels=LABEL)
    fault = engine.fault("GET", "^/containers/json$", status=403, body=b"<html>no</html>")
    ah = autoheal(engine, ready=False).wait_up()
    harness.wait(lambda: fault.hits >= 3, 10, "three tries")
    assert [e["event_type"] for e in ah.events()] == ["engine_connected", "engine_lost"]
    assert len(ah.log_lines("CONTAINERS=1")) == 1
    fault.remove()
    ah.wait_event("engine_connected", count=2, timeout=10)
    sick_and_healed(engine, ah, web)
    engine.stop()
    ah.wait_event("engine_lost", count=2)


def test_a_loss_that_lasts_is_told_while_it_lasts(engine, autoheal):
    """Cuts that heal at once are told once in a row; one that does not heal is told all the same, and not too late."""
    ah = autoheal(engine)
    for count in 2, 3:
        engine.drop_streams()
        engine.wait_request("GET", "^/containers/json$", count)
        fence(engine, ah)
    assert len(ah.events("engine_lost")) == 1
    engine.stop()
    lost = ah.wait_event("engine_lost", count=2)
    assert lost["message"] and not ah.get("/health").json()["docker_connected"]
    connected = len(ah.events("engine_connected"))
    engine.start()
    ah.wait_event("engine_connected", count=connected + 1, timeout=12)
    assert len(ah.events("engine_lost")) == 2


def test_a_cut_in_the_middle_of_an_event(engine, autoheal):
    """The stream ends mid-JSON and mid-chunk: the half event is dropped, the whole one comes by the replay."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    sick = engine.make_event("health_status: unhealthy", web)
    with engine.lock:
        engine.ring.append(sick)
        web.health, web.streak = "unhealthy", 3
        data = engine.event_json(sick)
        engine.emit_wire(b"%x\r\n" % len(data) + data[:len(data) // 2])
        engine.drop_streams()
    healed(engine, ah, web)
    fence(engine, ah)
    assert len(engine.restarts(web)) == 1


def test_the_stream_ends_properly(engine, autoheal):
    """The engine's last chunk (a daemon that shuts down) is a cut like any other."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    engine.emit_wire(b"0\r\n\r\n")
    reconnected(engine, ah)
    sick_and_healed(engine, ah, web)


def test_a_restart_under_way_survives_a_cut(engine, autoheal):
    web = engine.add("web", labels=LABEL, stop_seconds=1, heals_after=0.3)
    ah = autoheal(engine, **QUICK)
    engine.sicken(web)
    engine.wait_restart(web)
    engine.drop_streams()
    healed(engine, ah, web)
    fence(engine, ah)
    assert len(engine.restarts(web)) == 1 and len(ah.events("restart", "web")) == 1


def test_an_audit_that_hangs_is_given_up(engine, autoheal):
    """CURL_TIMEOUT bounds the list: one that never answers is asked for again, and the stream heals meanwhile."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1", CURL_TIMEOUT="1")
    fault = engine.fault("GET", "^/containers/json$", black_hole=True)
    harness.wait(lambda: fault.hits, what="an audit that hangs")
    sick_and_healed(engine, ah, web)
    harness.wait(lambda: fault.hits >= 2, 10, "the next audit")
    fault.remove()
    ah.wait_ready()
    engine.set_health(web, "unhealthy", event=False)


def test_a_flood_is_read_while_a_restart_hangs(engine, autoheal):
    """A slow reader loses events: 2,000 of them while one restart never answers, and then the one that matters."""
    hung, web = engine.add("hung", labels=LABEL), engine.add("web", labels=LABEL)
    chatty = engine.add("chatty", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    engine.fault("POST", f"/containers/({hung.id}|hung)/restart", black_hole=True)
    engine.sicken(hung)
    engine.wait_restart(hung)
    for _ in range(1000):
        engine.event("health_status: healthy", chatty)
        engine.event("rename", chatty)
    engine.sicken(web)
    healed(engine, ah, web)


def test_the_socket_was_made_anew(engine, autoheal):
    """The daemon restarts and makes a new socket under the same path."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    for _ in range(2):
        engine.stop()
        engine.start()
        reconnected(engine, ah, len(engine.requests("GET", "^/events$")) + 1)
    assert max(gaps(engine.requests("GET", "^/events$"))) < 8
    sick_and_healed(engine, ah, web)

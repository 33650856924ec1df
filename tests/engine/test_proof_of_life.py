"""A stream that stands and says nothing any more: the audit shows a change that it should have told, so it is dead."""
import pytest

import harness
from steps import LABEL, audits, fence, healed, sick_and_healed

SECONDS = {"AUTOHEAL_INTERVAL": "1"}
PROOF = 5                                       # seconds that a stream has to bring what the audit has shown
LIST = "^/containers/json$"


def silence(engine):
    """From now on the streams that are open bring nothing; they stay open, as behind a proxy that has forgotten them."""
    with engine.lock:
        for stream in engine.streams:
            stream.wants = lambda event: False


def shown(ah, number=0):
    return ah.get("/api/status").json()["engines"][number]


def repaired(engine, ah, number=0):
    """Waits until the silent stream was given up and there is another; nothing before its time."""
    asked = engine.requests("GET", "^/events$")
    harness.wait(lambda: shown(ah, number)["audit_repairs"] == 1, PROOF + 8, "a repair")
    again = engine.wait_request("GET", "^/events$", len(asked) + 1, timeout=5)
    assert "since" in again.query
    assert shown(ah, number)["reconnects"] == 1
    ah.wait_log("the stream is dead")
    return again


def no_alarm(engine, ah, number=0, count=1):
    """Asserts that the audits of more than the time of proof find nothing to repair."""
    audits(engine, PROOF + 2, timeout=40)
    assert shown(ah, number)["audit_repairs"] == shown(ah, number)["reconnects"] == 0
    assert len(engine.requests("GET", "^/events$")) == count
    assert not ah.log_lines("is dead")


CHANGES = {
    "sick": lambda engine, web: engine.sicken(web),
    "well": lambda engine, web: engine.set_health(web, "healthy"),
    "exited": lambda engine, web: engine.die(web),
    "started": lambda engine, web: engine.start_by_person(web),
    "paused": lambda engine, web: engine.pause(web),
    "unpaused": lambda engine, web: engine.unpause(web),
    "gone": lambda engine, web: engine.destroy(web),
    "new": lambda engine, web: engine.start_container("new", labels=LABEL),
}
BEFORE = {
    "well": lambda engine, web: engine.sicken(web),
    "started": lambda engine, web: engine.die(web),
    "unpaused": lambda engine, web: engine.pause(web),
}


@pytest.mark.first
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_the_stream_has_not_told(engine, autoheal, change):
    """The audit shows it, the stream does not within five seconds: it is opened anew, counted, and brings events again."""
    told_only = {"autoheal.restart.enable": "false"} if change == "well" else {}
    web, db = engine.add("web", labels={**LABEL, **told_only}), engine.add("db", labels=LABEL)
    ah = autoheal(engine, **SECONDS)
    if change in BEFORE:
        BEFORE[change](engine, web)
    fence(engine, ah)
    silence(engine)
    CHANGES[change](engine, web)
    repaired(engine, ah)
    if change == "sick":
        healed(engine, ah, web)
        assert len(engine.restarts(web)) == 1
    sick_and_healed(engine, ah, db)
    assert shown(ah)["audit_repairs"] == 1
    assert ah.events("engine_lost")[-1]["status"] == "lost"


@pytest.mark.first
def test_what_happened_in_the_silence_comes_after_all(engine, autoheal):
    """A person's stop is told by the new stream, which is asked for all since the last event."""
    web, db = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL)
    ah = autoheal(engine, **SECONDS)
    fence(engine, ah)
    silence(engine)
    engine.stop_by_person(web)
    engine.sicken(db)
    healed(engine, ah, db)
    repaired(engine, ah)
    ah.wait_phase("web", "hands_off")
    assert not engine.restarts(web) and len(engine.restarts(db)) == 1


# ---- no false alarms

def comes_late(engine, ah, web):
    """The event comes a second or two after the list, as from a busy engine."""
    engine.set_health(web, "unhealthy", streak=1, event=False)
    audits(engine, 1)
    engine.event("health_status: unhealthy", web)


def unpaused_and_not_probed_yet(engine, ah, web):
    """A pause and its end, both told; the engine calls it unhealthy since then, and tells nobody."""
    engine.pause(web)
    audits(engine, 1)
    engine.unpause(web)


def paused(engine, ah, web):
    engine.pause(web)


def exited(engine, ah, web):
    engine.die(web)


def stopped_and_started(engine, ah, web):
    """From healthy to starting and back: no event tells of `starting`."""
    engine.stop_by_person(web)
    audits(engine, 1)
    engine.start_by_person(web)


def not_watched(engine, ah, web):
    """Containers that are excluded, or have no label, change without a word: their events are none of ours."""
    for name in ("excluded", "plain"):
        engine.set_health(engine.find(name), "unhealthy", event=False)
    with engine.lock:
        engine.find("plain").state = "exited"
        del engine.containers[engine.find("excluded").id]
    engine.add("other")


def starting(engine, ah, web):
    """The list shows it starting, as after a start that the stream has told."""
    web.heals_after = None
    engine.start_by_person(web)


def renamed(engine, ah, web):
    """A name is no state."""
    with engine.lock:
        web.name = "other"


@pytest.mark.first
@pytest.mark.parametrize("quiet", [comes_late, unpaused_and_not_probed_yet, paused, exited, stopped_and_started,
                                   not_watched, starting, renamed])
def test_no_false_alarm(engine, autoheal, quiet):
    web = engine.add("web", labels=LABEL, retries=3)
    engine.add("excluded", labels=LABEL)
    engine.add("plain")
    ah = autoheal(engine, AUTOHEAL_EXCLUDE="excluded", **SECONDS)
    fence(engine, ah)
    quiet(engine, ah, web)
    no_alarm(engine, ah)
    assert len(engine.posts()) == (quiet in (comes_late, exited))   # what exited by itself is started


@pytest.mark.first
def test_no_false_alarm_with_podman_that_tells_no_health(make_engine, autoheal):
    """healthcheck_events=false: the list heals, and the stream owes nothing."""
    podman = make_engine(flavour="podman", version="4.3.1", api="1.41")
    web = podman.add("web", labels=LABEL)
    ah = autoheal(podman, **SECONDS)
    podman.set_health(web, "unhealthy", event=False)
    podman.wait_restart(web)
    ah.wait_event("restart", "web", status="success")
    no_alarm(podman, ah)
    assert len(podman.restarts(web)) == 1


@pytest.mark.first
def test_no_false_alarm_amid_heals(engine, autoheal):
    """Restarts of ours, slow ones, while lists come and go."""
    many = [engine.add(f"c{i}", labels=LABEL, stop_seconds=2, heals_after=1.5) for i in range(6)]
    ah = autoheal(engine, AUTOHEAL_STORM="off", **SECONDS)
    engine.sicken(*many)
    for container in many:
        healed(engine, ah, container, timeout=15)
    no_alarm(engine, ah)
    assert all(len(engine.restarts(c)) == 1 for c in many)


@pytest.mark.first
def test_two_engines_are_judged_apart(make_engine, autoheal):
    """One stream is dead, the other is not."""
    a, b = make_engine(), make_engine()
    web, db = a.add("web", labels=LABEL), b.add("db", labels=LABEL)
    ah = autoheal(AUTOHEAL_HOSTS=f"a={a.url},b={b.url}", **SECONDS)
    for engine, container in ((a, web), (b, db)):
        sick_and_healed(engine, ah, container)
    silence(a)
    a.die(web)
    repaired(a, ah, 0)
    assert shown(ah, 1)["audit_repairs"] == shown(ah, 1)["reconnects"] == 0
    assert len(b.requests("GET", "^/events$")) == 1

"""A stream may stand and bring nothing any more. The audit proves it: a change that no event tells of opens it anew."""
import pytest

import harness
from steps import LABEL, QUICK, audits, fence, sick_and_healed

OFTEN = {"AUTOHEAL_INTERVAL": "1"}


def repairs(ah):
    return ah.get("/api/status").json()["engines"][0]["audit_repairs"]


def unheard(engine, container, what):
    """A change of which no stream tells."""
    with engine.lock:
        if what == "start":
            engine.add("new", labels=LABEL)
        elif what == "die":
            engine._died(container, 1)
        elif what == "destroy":
            del engine.containers[container.id]
        elif what == "pause":
            engine._paused(container)
        else:
            engine.set_health(container, "unhealthy", event=False)


@pytest.mark.first
@pytest.mark.parametrize("what", ["start", "die", "destroy", "pause", "unhealthy"])
def test_a_change_that_the_stream_does_not_bring(engine, autoheal, what):
    """Five seconds after the audit the stream is opened anew; what the audit saw is acted on before."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **OFTEN)
    unheard(engine, web, what)
    if what == "unhealthy":
        engine.wait_restart(web)
        ah.wait_event("recovered", "web")
    engine.wait_request("GET", "^/events$", 2, 15)
    lost = ah.wait_event("engine_lost")
    assert "the stream is dead" in lost["message"] and (web.short_id in lost["message"] or what == "start")
    harness.wait(lambda: ah.get("/health").json()["docker_connected"], what="the new stream")
    assert repairs(ah) == 1
    fence(engine, ah)                       # and the new one is alive: it brings what happens now
    assert len(engine.restarts(web)) == (what == "unhealthy")


@pytest.mark.first
def test_an_event_that_comes_late_is_no_death(engine, autoheal):
    """The audit is ahead of the stream by some seconds: on a busy engine, or a slow line."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **OFTEN, **QUICK)
    engine.lag = {"health_status: unhealthy": 2.5}
    engine.sicken(web)
    engine.wait_restart(web)
    engine.lag = {}
    ah.wait_event("recovered", "web")
    audits(engine, 7, 20)
    assert repairs(ah) == 0 and len(engine.requests("GET", "^/events$")) == 1
    assert not ah.events("engine_lost")


@pytest.mark.first
def test_what_the_audit_brings_under_watch_for_other_reasons_is_no_death(engine, autoheal):
    """A new name, a person's choice, an event that could not be read: no start was owed, or it may have come."""
    renamed = engine.add("old-web", labels=LABEL)
    chosen = engine.add("chosen")
    ah = autoheal(engine, AUTOHEAL_EXCLUDE="old-*", **OFTEN)
    engine.rename(renamed, "web")
    assert ah.post("/api/containers/select", {"container_ids": ["chosen"], "enabled": True}).status == 200
    ah.wait_event("auto_monitor", "web")
    engine.emit(b'{"Type":"container",,}\n')
    engine.add("unread", labels=LABEL)
    ah.wait_event("auto_monitor", "unread")
    audits(engine, 7, 20)
    assert repairs(ah) == 0 and len(engine.requests("GET", "^/events$")) == 1
    sick_and_healed(engine, ah, renamed)
    sick_and_healed(engine, ah, chosen)


@pytest.mark.first
def test_changes_that_are_told_are_no_death(engine, autoheal):
    """The audits of a busy engine: whatever they see, the stream has told it or is about to."""
    ah = autoheal(engine, **OFTEN, **QUICK)
    for burst in range(5):
        for number in range(8):
            web = engine.start_container(f"web{burst}-{number}", labels=LABEL)
            engine.pause(web)
            engine.unpause(web)
            if number % 4 == 0:
                engine.stop_by_person(web)
            if number % 4 == 1:
                engine.destroy(web)
            if number % 4 == 2:
                engine.restart_by_person(web)
        audits(engine, 0)
    audits(engine, 6, 20)
    assert repairs(ah) == 0 and len(engine.requests("GET", "^/events$")) == 1

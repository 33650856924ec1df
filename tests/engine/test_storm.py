"""Many containers fail at once: a brake, so that a healer does not make it worse."""
import time

import pytest

from steps import LABEL, QUICK, fence, healed, left_alone


def fall_ill(engine, *containers):
    """All in one write, so that the service reads them together."""
    for container in containers:
        engine.set_health(container, "unhealthy", event=False)
    engine.batch(*[("health_status: unhealthy", container) for container in containers])


def storms(ah):
    return [e["status"] for e in ah.events("storm")]


@pytest.mark.first
def test_twenty_at_once_are_held_looked_at_anew_and_restarted_two_at_a_time(engine, autoheal):
    many = [engine.add(f"c{i}", labels=LABEL, stop_seconds=0.4) for i in range(19)]
    parent = engine.add("db", labels=LABEL, stop_seconds=0.4)
    child = engine.add("child", labels=LABEL, network_mode=f"container:{parent.id}")
    ah = autoheal(engine, **QUICK)
    fence(engine, ah)
    assert ah.get("/api/status").json()["storm"] is False
    begin = time.monotonic()
    fall_ill(engine, *many, parent)

    started = ah.wait_event("storm")
    assert started["status"] == "started" and started["container_id"] == "" and started["host"] == "local"
    assert "20 of 22 watched containers fail at once" in started["message"] and "at most 2" in started["message"]
    assert ah.get("/api/status").json()["storm"] is True
    shown = ah.wait_phase("c0", "waiting")["next_action"]
    assert shown["action"] == "restart" and 10 < shown["in_seconds"] <= 15 and "AUTOHEAL_STORM" in shown["reason"]
    steps = ah.get("/api/containers/c0/explain").json()["steps"]
    assert [s for s in steps if "AUTOHEAL_STORM" in s["question"] and s["answer"] == "yes"]

    well = many[:4]
    for container in well[:3]:
        engine.set_health(container, "healthy")
    engine.set_health(well[3], "healthy", event=False)          # only a fresh look tells
    left_alone(engine, ah)
    asked = engine.wait_request("POST", "/restart$", timeout=20)
    assert asked.time - begin > 14.9
    for container in [parent, *many[4:]]:
        healed(engine, ah, container, timeout=15)
    ah.wait_event("storm", status="ended")
    for container in well:
        assert not engine.restarts(container)
        assert ah.wait_event("skipped", container.name)["status"] == "recovered"

    posts = sorted(engine.posts(), key=lambda r: r.time)
    assert any(parent.id in r.path for r in posts[:2])
    for r in posts[:6]:                                         # the storm ends when nine are left
        assert sum(o.time <= r.time < o.answered for o in posts) <= 2
    healed_child = ah.wait_event("dependent_restart", "child")
    assert healed_child["status"] == "success" and len(engine.restarts(child)) == 1
    assert storms(ah) == ["started", "ended"]
    assert ah.get("/api/status").json()["storm"] is False
    assert len(ah.log_lines(r"WARNING - Storm (started|ended)")) == 2


def test_nine_are_no_storm(engine, autoheal):
    many = [engine.add(f"c{i}", labels=LABEL) for i in range(9)]
    ah = autoheal(engine, **QUICK)
    fall_ill(engine, *many)
    for container in many:
        healed(engine, ah, container)
    assert not storms(ah)


def test_ten_of_many_are_no_storm(engine, autoheal):
    many = [engine.add(f"c{i}", labels=LABEL) for i in range(50)]
    ah = autoheal(engine, **QUICK)
    fall_ill(engine, *many[:20])
    for container in many[:20]:
        healed(engine, ah, container)
    assert not storms(ah)


def test_off(engine, autoheal):
    many = [engine.add(f"c{i}", labels=LABEL) for i in range(20)]
    ah = autoheal(engine, AUTOHEAL_STORM="off", **QUICK)
    fall_ill(engine, *many)
    for container in many:
        healed(engine, ah, container)
    assert not storms(ah)


def test_a_person_restarts_amid_a_storm(engine, autoheal):
    many = [engine.add(f"c{i}", labels=LABEL) for i in range(12)]
    ah = autoheal(engine, AUTOHEAL_STORM="1%", **QUICK)
    fall_ill(engine, *many)
    ah.wait_event("storm")
    assert ah.post("/api/containers/c7/restart").status == 202
    ah.wait_event("recovered", "c7")
    assert len(engine.posts()) == 1

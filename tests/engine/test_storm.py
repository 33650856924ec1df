"""Many containers fail at once: a brake, so that a healer does not make it worse."""
import re
import time

import pytest

from steps import LABEL, QUICK, fence, healed


def fall_ill(engine, *containers):
    """All in one write, so that the service reads them together."""
    for container in containers:
        engine.set_health(container, "unhealthy", event=False)
    engine.batch(*[("health_status: unhealthy", container) for container in containers])


def storms(ah):
    return [e["status"] for e in ah.events("storm")]


@pytest.mark.first
def test_what_was_not_sent_is_held_looked_at_anew_and_restarted_two_at_a_time(engine, autoheal):
    many = [engine.add(f"c{i}", labels=LABEL, stop_seconds=1) for i in range(29)]
    parent = engine.add("db", labels=LABEL, stop_seconds=1)
    child = engine.add("child", labels=LABEL, network_mode=f"container:{parent.id}")
    ah = autoheal(engine, AUTOHEAL_STORM="20%", **QUICK)
    fence(engine, ah)
    assert ah.get("/api/status").json()["storm"] is False
    begin = time.monotonic()
    fall_ill(engine, *many, parent)

    started = ah.wait_event("storm")
    assert started["status"] == "started" and started["container_id"] == "" and started["host"] == "local"
    assert re.match(r"\d\d of 32 watched containers fail at once", started["message"])
    assert "at most 2" in started["message"] and ah.get("/api/status").json()["storm"] is True
    ah.wait_phase("c28", "waiting")
    sent = [c for c in many if engine.restarts(c)]              # what the first read brought, where that were less than ten
    held = [c for c in many if c not in sent]
    assert len(sent) < 10
    shown = ah.container("c28")["next_action"]
    assert shown["action"] == "restart" and 10 < shown["in_seconds"] <= 15 and "AUTOHEAL_STORM" in shown["reason"]
    steps = ah.get("/api/containers/c28/explain").json()["steps"]
    assert [s for s in steps if "many fail at once" in s["question"] and s["answer"] == "yes"]

    well = held[:4]
    for container in well[:3]:
        engine.set_health(container, "healthy")
    engine.set_health(well[3], "healthy", event=False)          # only a fresh look tells
    for container in sent:
        healed(engine, ah, container)
    fence(engine, ah)
    assert len(engine.posts()) == len(sent)
    asked = engine.wait_request("POST", "/restart$", len(sent) + 1, timeout=20)
    assert asked.time - begin > 14.9
    for container in [parent, *held[4:]]:
        healed(engine, ah, container, timeout=15)
    ah.wait_event("storm", status="ended", timeout=10)
    for container in well:
        assert not engine.restarts(container)
        assert ah.wait_event("skipped", container.name)["status"] == "recovered"

    posts = [r for r in sorted(engine.posts(), key=lambda r: r.time) if r.time - begin > 14]
    assert any(parent.id in r.path for r in posts[:2])
    for r in posts[:6]:                                         # it ends when nine are left
        assert sum(o.time <= r.time < o.answered for o in posts) <= 2
    assert ah.wait_event("dependent_restart", "child")["status"] == "success" and len(engine.restarts(child)) == 1
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


def test_a_storm_on_one_engine_holds_up_no_other(make_engine, autoheal):
    one, other = make_engine(), make_engine()
    many = [one.add(f"c{i}", labels=LABEL) for i in range(12)]
    web = other.add("web", labels=LABEL)
    ah = autoheal(AUTOHEAL_HOSTS=f"one={one.url},other={other.url}", **QUICK)
    fall_ill(one, *many)
    assert ah.wait_event("storm")["host"] == "one"
    other.sicken(web)
    other.wait_restart(web)
    assert len(one.posts()) < 10


def test_a_person_restarts_amid_a_storm(engine, autoheal):
    many = [engine.add(f"c{i}", labels=LABEL, stop_seconds=1) for i in range(20)]
    ah = autoheal(engine, AUTOHEAL_STORM="1%", **QUICK)
    fall_ill(engine, *many)
    ah.wait_event("storm", "")
    assert storms(ah) == ["started"]
    # whose events were told first had been sent when the storm was seen
    *held, chosen = [c for c in many if ah.container(c.name)["phase"] == "waiting"]
    assert held
    assert ah.post(f"/api/containers/{chosen.name}/restart").status == 202
    ah.wait_event("recovered", chosen.name)
    assert not [c for c in held if engine.restarts(c)]

"""What hangs on a restarted container: children in its network, Compose's depends_on with restart: true, and children
that were left behind."""
import re

import pytest

from harness import wait
from steps import LABEL, QUICK, audits, compose, fence, left_alone

DEPENDS = "com.docker.compose.depends_on"


def unlabelled(project, service, **labels):
    """As Compose writes them, without autoheal's own."""
    made = compose(project, service, **labels)
    del made["autoheal"]
    return made


def in_network_of(engine, parent, name, **kw):
    return engine.add(name, network_mode=f"container:{parent.id}", **{"up": 200.0, **kw})


def one_each(engine, *containers):
    """Asserts that each was restarted once."""
    for c in containers:
        assert len(engine.restarts(c)) == 1, c.name


# ---- the network of a restarted container

def test_network_children_follow_at_once(engine, autoheal):
    """Running children of a restarted container are restarted as soon as it runs, label or not, healthy again or not."""
    vpn = engine.add("vpn", labels=LABEL, heals_after=None)
    watched = in_network_of(engine, vpn, "watched", labels=LABEL)
    plain = in_network_of(engine, vpn, "plain", healthcheck=False)
    other = engine.add("other", labels=LABEL)
    ah = autoheal(engine)
    engine.sicken(vpn)
    for child in (watched, plain):
        engine.wait_restart(child)
        told = ah.wait_event("dependent_restart", child.name, status="success")
        assert "'vpn'" in told["message"] and "network" in told["message"]
        assert told["restart_count"] == 1 and told["reason"] == "dependent" and told["action"] == "restart"
        assert engine.restarts(child)[0].time > engine.restarts(vpn)[0].time
    assert ah.wait_event("recovered", "watched")["status"] == "healthy"
    assert not ah.events("restart", "watched") and not ah.events("restart", "plain")
    assert ah.container("plain")["monitored"] is False and ah.container("plain")["phase"] == "unwatched"
    fence(engine, ah)
    assert not engine.restarts(other)
    one_each(engine, vpn, watched, plain)


def test_child_with_its_parent_sick_waits(engine, autoheal):
    """Parent and child fall sick together: the child is not healed on its own, the restart with its parent is its heal."""
    vpn = engine.add("vpn", labels=LABEL, stop_seconds=0.7)
    child = in_network_of(engine, vpn, "child", labels=LABEL)
    ah = autoheal(engine)
    engine.batch(("health_status: unhealthy", child), ("health_status: unhealthy", vpn))
    engine.set_health(child, "unhealthy", event=False)
    engine.wait_restart(vpn)
    ah.wait_log("'child'.* waits: what it hangs on is being healed")
    assert not engine.restarts(child)
    ah.wait_event("dependent_restart", "child", status="success")
    ah.wait_event("recovered", "child")
    ah.wait_event("recovered", "vpn")
    assert not ah.events("restart", "child")
    one_each(engine, vpn, child)


def test_never_restarted_with_another(engine, autoheal):
    """Excluded, autoheal=false, one-off, Swarm, paused and person-stopped children are left alone."""
    vpn = engine.add("vpn", labels=LABEL)
    in_network_of(engine, vpn, "excluded", labels=LABEL)
    in_network_of(engine, vpn, "false", labels={"autoheal": "false"})
    in_network_of(engine, vpn, "off", labels={"autoheal.monitor.enable": "false"})
    in_network_of(engine, vpn, "once", labels={"com.docker.compose.oneoff": "True"})
    in_network_of(engine, vpn, "task", labels={"com.docker.swarm.task.id": "1"})
    in_network_of(engine, vpn, "paused", state="paused")
    in_network_of(engine, vpn, "exited", state="exited")
    stopped = in_network_of(engine, vpn, "stopped", labels=LABEL)
    plain = in_network_of(engine, vpn, "zz-plain")
    ah = autoheal(engine, AUTOHEAL_EXCLUDE="excluded")
    engine.stop_by_person(stopped)
    ah.wait_phase("stopped", "hands_off")
    engine.sicken(vpn)
    ah.wait_event("dependent_restart", "zz-plain")
    fence(engine, ah)
    assert len(engine.posts()) == 2
    one_each(engine, vpn, plain)


def test_child_that_exited_with_its_parent(engine, autoheal):
    """A watched child that exits while its parent is being restarted is started again with it."""
    vpn = engine.add("vpn", labels=LABEL, stop_seconds=0.5)
    child = in_network_of(engine, vpn, "child", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_RESTART_MODE="health")
    engine.sicken(vpn)
    engine.wait_restart(vpn)
    engine.die(child, 0)
    ah.wait_event("dependent_restart", "child", status="success")
    wait(lambda: child.state == "running", what="the child to run")


def test_child_that_fell_with_its_parent_has_not_crashed(engine, autoheal):
    """Its exit belongs to its parent's restart, however long that takes: it follows, and is not started for a crash."""
    vpn = engine.add("vpn", labels=LABEL, stop_seconds=4.0)
    child = in_network_of(engine, vpn, "child", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_RESTART_MODE="both")
    engine.sicken(vpn)
    engine.wait_restart(vpn)
    engine.die(child, 1)
    told = ah.wait_event("dependent_restart", "child", timeout=12, status="success")
    assert (told["reason"], told["action"]) == ("dependent", "restart")
    ah.wait_event("recovered", "child")
    fence(engine, ah)
    assert not ah.events("restart", "child") and "has crashed" not in ah.log()
    one_each(engine, vpn, child)
    assert len(engine.posts()) == 2


def test_child_that_crashes_later_is_started(engine, autoheal):
    """Once its parent is well, an exit of the child is a crash like any other."""
    vpn = engine.add("vpn", labels=LABEL)
    child = in_network_of(engine, vpn, "child", labels=LABEL)
    ah = autoheal(engine, **QUICK, AUTOHEAL_RESTART_MODE="both")
    engine.sicken(vpn)
    ah.wait_event("recovered", "child")
    ah.wait_event("recovered", "vpn")
    engine.die(child, 1)
    assert ah.wait_event("restart", "child", timeout=10, status="success")["reason"] == "crash"
    one_each(engine, vpn, child)


def test_maintenance_holds_those_that_follow(engine, autoheal):
    """Maintenance that begins while the parent is being restarted holds its child; the end of it lets that follow."""
    vpn = engine.add("vpn", labels=LABEL, stop_seconds=1.5)
    child = in_network_of(engine, vpn, "child", labels=LABEL)
    ah = autoheal(engine)
    engine.sicken(vpn)
    engine.wait_restart(vpn)
    ah.post("/api/maintenance/enable")
    assert ah.wait_event("skipped", "child", timeout=8)["status"] == "maintenance"
    fence_posts = len(engine.posts())
    ah.wait_event("recovered", "vpn")
    assert len(engine.posts()) == fence_posts == 1
    ah.post("/api/maintenance/disable")
    ah.wait_event("dependent_restart", "child", status="success")
    one_each(engine, vpn, child)


def test_a_restart_by_hand_brings_them_along(engine, autoheal):
    """A person restarts the parent through the API: its children follow, those that wait for its health as well."""
    vpn = engine.add("vpn", labels=compose("shop", "vpn"))
    child = in_network_of(engine, vpn, "child", labels=LABEL)
    late = engine.add("late", labels=compose("shop", "late", **{DEPENDS: "vpn:service_healthy:true"}))
    ah = autoheal(engine)
    ah.post("/api/containers/vpn/restart")
    for name in ("child", "late"):
        assert ah.wait_event("dependent_restart", name, status="success")["reason"] == "dependent"
    assert ah.events("restart", "vpn")[0]["reason"] == "manual"
    one_each(engine, vpn, child, late)


def test_a_second_restart_brings_them_along_again(engine, autoheal):
    """When the first restart of the parent did not help, its second one is followed by its children as well."""
    vpn = engine.add("vpn", labels=LABEL, heals_after=None)
    child = in_network_of(engine, vpn, "child")
    ah = autoheal(engine, **QUICK, AUTOHEAL_RECOVERY_TIMEOUT="1")
    engine.sicken(vpn)
    ah.wait_event("dependent_restart", "child")
    engine.set_health(vpn, "unhealthy")
    ah.wait_event("dependent_restart", "child", timeout=10, count=2)
    assert len(engine.restarts(vpn)) >= 2


def test_switched_off(engine, autoheal):
    """AUTOHEAL_DEPENDENTS=false: no one follows, nothing is asked for, and one left behind is only reported."""
    vpn = engine.add("vpn", labels=LABEL)
    child = in_network_of(engine, vpn, "child", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_DEPENDENTS="false", AUTOHEAL_INTERVAL="1")
    engine.sicken(vpn)
    ah.wait_event("recovered", "vpn")
    told = ah.wait_event("stranded", "child", timeout=10, status="reported")
    assert "docker restart child" in told["message"] and "AUTOHEAL_DEPENDENTS" in told["message"]
    audits(engine)
    assert len(ah.events("stranded")) == 1
    assert not engine.restarts(child)


def test_nothing_is_asked_where_nothing_hangs(engine, autoheal):
    """A host without such containers pays no list for a restart."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    engine.sicken(web)
    ah.wait_event("recovered", "web")
    fence(engine, ah)
    assert len(engine.requests("GET", "^/containers/json$")) <= 2


def test_slots_hold(engine, autoheal):
    """AUTOHEAL_MAX_PARALLEL=1: the children of a restarted container go one after the other."""
    vpn = engine.add("vpn", labels=LABEL)
    children = [in_network_of(engine, vpn, f"child{i}", stop_seconds=0.3) for i in range(3)]
    ah = autoheal(engine, AUTOHEAL_MAX_PARALLEL="1")
    engine.sicken(vpn)
    for child in children:
        ah.wait_event("dependent_restart", child.name, timeout=10)
    times = sorted(engine.restarts(c)[0].time for c in children)
    assert all(b - a >= 0.29 for a, b in zip(times, times[1:])), times


def test_refused_child(engine, autoheal):
    """A child whose restart the engine refuses is told as a failure, and one that is not watched is not tried again."""
    vpn = engine.add("vpn", labels=LABEL)
    child = in_network_of(engine, vpn, "child")
    child.start_error = "no more room"
    ah = autoheal(engine, **QUICK)
    engine.sicken(vpn)
    told = ah.wait_event("dependent_restart", "child", status="failure")
    assert "no more room" in told["message"]
    left_alone(engine, ah, engine.add("nobody"))
    one_each(engine, child)


# ---- depends_on with restart: true

def test_depends_on_once_healthy(engine, autoheal):
    """Those with restart: true follow once the parent is healthy; those of another condition, project or value do not."""
    db = engine.add("db", labels=compose("shop", "db"), heals_after=0.6)
    web = engine.add("web", labels=compose("shop", "web", **{DEPENDS: "cache:service_started:false,db:service_healthy:true"}))
    job = engine.add("job", labels=unlabelled("shop", "job", **{DEPENDS: "db:service_started:true"}))
    engine.add("calm", labels=compose("shop", "calm", **{DEPENDS: "db:service_healthy:false"}))
    engine.add("old", labels=compose("shop", "old", **{DEPENDS: "db:service_healthy"}))
    engine.add("foreign", labels=compose("other", "web", **{DEPENDS: "db:service_healthy:true"}))
    ah = autoheal(engine)
    engine.sicken(db)
    ah.wait_event("recovered", "db")
    for child in (web, job):
        told = ah.wait_event("dependent_restart", child.name, status="success")
        assert "depends on 'db'" in told["message"]
        assert engine.restarts(child)[0].time - engine.restarts(db)[0].time >= 0.55
    fence(engine, ah)
    assert len(engine.posts()) == 3


def test_not_when_the_heal_fails(engine, autoheal):
    """A parent that does not become healthy takes no one along."""
    db = engine.add("db", labels=compose("shop", "db"), heals_after=None)
    web = engine.add("web", labels=compose("shop", "web", **{DEPENDS: "db:service_healthy:true"}))
    ah = autoheal(engine, AUTOHEAL_RECOVERY_TIMEOUT="1")
    engine.sicken(db)
    engine.wait_restart(db)
    engine.set_health(db, "unhealthy")
    ah.wait_event("not_recovered", "db", timeout=10)
    left_alone(engine, ah, web)


def test_in_order_each_once(engine, autoheal):
    """A diamond: both in the middle follow the first, and the last follows both of them, once."""
    first = engine.add("first", labels=compose("p", "first"))
    left = engine.add("left", labels=compose("p", "left", **{DEPENDS: "first:service_healthy:true"}))
    right = engine.add("right", labels=unlabelled("p", "right", **{DEPENDS: "first:service_healthy:true"}), heals_after=0.8)
    last = engine.add("last", labels=compose(
        "p", "last", **{DEPENDS: "first:service_healthy:true,left:service_healthy:true,right:service_healthy:true"}))
    ah = autoheal(engine)
    engine.sicken(first)
    ah.wait_event("dependent_restart", "last", timeout=10)
    fence(engine, ah)
    one_each(engine, first, left, right, last)
    start = engine.restarts(last)[0].time
    assert start > engine.restarts(left)[0].time and start - engine.restarts(right)[0].time >= 0.75


def test_a_ring_comes_to_an_end(engine, autoheal):
    """Labels that depend on each other in a ring: each is restarted once, and sick together nobody waits for ever."""
    a = engine.add("a", labels=compose("p", "a", **{DEPENDS: "b:service_healthy:true"}))
    b = engine.add("b", labels=compose("p", "b", **{DEPENDS: "a:service_healthy:true"}))
    ah = autoheal(engine)
    engine.sicken(a)
    ah.wait_event("dependent_restart", "b")
    ah.wait_event("recovered", "b")
    fence(engine, ah)
    one_each(engine, a, b)


def test_a_ring_that_is_sick(engine, autoheal):
    """Both of a ring fall sick in one read: neither waits for the other's end."""
    a = engine.add("a", labels=compose("p", "a", **{DEPENDS: "b:service_healthy:true"}))
    b = engine.add("b", labels=compose("p", "b", **{DEPENDS: "a:service_healthy:true"}))
    ah = autoheal(engine)
    engine.batch(("health_status: unhealthy", a), ("health_status: unhealthy", b))
    engine.wait_restart(a)
    engine.wait_restart(b)
    ah.wait_event("recovered", "a")
    ah.wait_event("recovered", "b")


# ---- left behind

def test_stranded_at_start(engine, autoheal):
    """A child older than its parent's start is restarted at the first audit, without memory of what happened."""
    vpn = engine.add("vpn", up=100.0)
    child = in_network_of(engine, vpn, "child", labels=LABEL, up=200.0)
    fresh = in_network_of(engine, vpn, "fresh", labels=LABEL, up=50.0)
    in_network_of(engine, vpn, "unwatched", up=200.0)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1")
    told = ah.wait_event("stranded", "child", status="restarted")
    assert "'vpn'" in told["message"] and told["restart_count"] == 1
    audits(engine)
    assert len(engine.posts()) == 1 and not engine.restarts(fresh)
    one_each(engine, child)


def test_stranded_by_a_person(engine, autoheal):
    """A person restarts the parent alone: the next audit finds the child."""
    vpn = engine.add("vpn")
    child = in_network_of(engine, vpn, "child", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1")
    audits(engine, 1)
    assert not engine.posts()
    engine.restart_by_person(vpn)
    ah.wait_event("stranded", "child", timeout=10, status="restarted")
    audits(engine)
    one_each(engine, child)


def test_stranded_in_dry_run(engine, autoheal):
    """A dry run tells of it once, and does nothing."""
    vpn = engine.add("vpn", up=100.0)
    child = in_network_of(engine, vpn, "child", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1", AUTOHEAL_DRY_RUN="true")
    told = ah.wait_event("skipped", "child", status="dry_run")
    assert "'vpn'" in told["message"]
    audits(engine)
    assert len(ah.events("skipped")) == 1
    assert not engine.restarts(child)


def test_parent_is_gone(engine, autoheal):
    """A child in the network of a container that is gone is reported once, and not restarted even if it is sick: the
    engine could stop it, and not start it again."""
    child = engine.add("child", labels=LABEL, network_mode="container:" + "ab" * 32)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1", **QUICK)
    told = ah.wait_event("stranded", "child", status="reported")
    assert "abababababab" in told["message"] and "docker compose up -d --force-recreate child" in told["message"]
    engine.sicken(child)
    audits(engine)
    assert len(ah.events("stranded")) == 1
    assert not engine.posts()


@pytest.mark.parametrize("status", [500, 404])
def test_restart_of_an_orphan(engine, autoheal, status):
    """The engine's "No such container" about the parent does not mean that the child is gone: it is reported as
    stranded, and not tried again."""
    child = engine.add("child", labels=LABEL)
    parent = "cd" * 32
    words = f"No such container: {parent}"
    child.start_error = words if status == 404 else f"Cannot restart container child: {words}"
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1", **QUICK)
    engine.sicken(child)
    assert ah.wait_event("restart", "child", status="failure")
    told = ah.wait_event("stranded", "child", status="reported")
    assert parent in told["message"] and re.search("--force-recreate child", told["message"])
    audits(engine)
    assert ah.container("child")["monitored"]
    assert len(engine.posts()) == 1

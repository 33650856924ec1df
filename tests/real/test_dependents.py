"""What hangs on a restarted container, on a real engine: a shared network namespace, Compose's depends_on with
restart: true, and children that were left behind."""
import os

from conftest import wait_audits
from engine import wait

LABEL = {"autoheal": "true"}
NODE = "com.docker.compose."


def child_of(engine, parent, name, **kw):
    """A running container in the network of the parent."""
    return engine.run(name, host={"NetworkMode": f"container:{parent.id}"}, NetworkDisabled=False, **kw)


def namespace(container):
    """The network namespace that it really is in."""
    return os.readlink(f"/proc/{container.state()['Pid']}/ns/net")


def test_network_children_follow(engine, autoheal):
    """The children of a restarted container end up in its new network, label or not."""
    vpn = engine.run("vpn", labels=LABEL)
    watched = child_of(engine, vpn, "watched", labels=LABEL)
    plain = child_of(engine, vpn, "plain", health=None)
    for c in (vpn, watched):
        c.wait_health("healthy")
    old = namespace(vpn)
    assert namespace(watched) == namespace(plain) == old, "the premise: one network"
    service = autoheal(engine, AUTOHEAL_INTERVAL="30")
    vpn.sick()
    for c in (watched, plain):
        service.wait_event("dependent_restart", c.name, timeout=15, status="success")
    service.wait_event("recovered", "vpn", timeout=15)
    assert namespace(watched) == namespace(plain) == namespace(vpn)
    assert not service.events("restart", "watched")


def test_stranded_children_are_found(engine, autoheal):
    """A parent restarted before autoheal was there leaves its child in the old network: the first audit finds it. One
    whose parent is gone is reported once, and left running, even when it falls sick."""
    vpn, other = engine.run("vpn"), engine.run("other")
    child = child_of(engine, vpn, "child", labels=LABEL)
    orphan = child_of(engine, other, "orphan", labels=LABEL)
    vpn.restart(t=0)
    assert namespace(child) != namespace(vpn), "the premise: left behind"
    other.remove()
    before = orphan.started()
    service = autoheal(engine, AUTOHEAL_INTERVAL="1")
    service.wait_event("stranded", "child", timeout=15, status="restarted")
    told = service.wait_event("stranded", "orphan", timeout=15, status="reported")
    assert other.id[:12] in told["message"] and "docker compose up -d --force-recreate orphan" in told["message"]
    wait(lambda: namespace(child) == namespace(vpn), 10, "the child in the new network")
    orphan.sick()
    orphan.wait_health("unhealthy")
    wait_audits(service)
    assert orphan.started() == before and orphan.state()["Running"]
    assert len(service.events("stranded")) == 2


def test_depends_on_restart_true(engine, autoheal):
    """The label that Compose writes: who depends with restart: true follows once the parent is healthy again."""
    def of(service, **more):
        return {NODE + "project": "shop", NODE + "service": service, NODE + "oneoff": "False", **more}

    db = engine.run("db", labels={**LABEL, **of("db")})
    web = engine.run("web", labels=of("web", **{NODE + "depends_on": "db:service_healthy:true"}))
    calm = engine.run("calm", labels=of("calm", **{NODE + "depends_on": "db:service_healthy:false"}))
    db.wait_health("healthy")
    before = calm.started()
    service = autoheal(engine)
    db.sick()
    service.wait_event("dependent_restart", "web", timeout=15, status="success")
    healthy = [t for a, t in db.events(0, ("health_status: healthy",))]
    assert healthy and web.started() > healthy[-1]
    wait_audits(service)
    assert calm.started() == before
    assert len(service.events("dependent_restart")) == 1

"""The main job: a watched container falls sick on a real engine, autoheal restarts it and proves that it helped."""
from conftest import wait_audits

LABEL = {"autoheal": "true"}


def test_sick_container_is_healed(engine, autoheal, recorder):
    """`touch /run/bad` makes the probe fail; the container is restarted once, recovers, and the audit tells it in order.
    The request names no stop timeout."""
    web = engine.run("web", labels=LABEL)
    bystander = engine.run("bystander")
    service = autoheal(recorder)
    web.wait_health("healthy")
    before, untouched = web.started(), bystander.started()
    web.sick()
    bystander.sick()
    web.wait_restarted(before)
    recovered = service.wait_event("recovered", "web", timeout=15)
    events = service.events(container="web")
    assert [(e["event_type"], e["status"]) for e in events] == \
        [("auto_monitor", "enabled"), ("restart", "success"), ("recovered", "healthy")]
    restart = events[1]
    assert restart["restart_count"] == 1 and recovered["restart_count"] == 1
    assert restart["action"] == "restart"
    assert restart["host"] == "local"
    assert restart["stable_id"] == "web"
    assert 0 < recovered["duration_ms"] < 15000
    assert events[0]["seq"] < events[1]["seq"] < events[2]["seq"]
    after = web.started()
    wait_audits(service)
    assert web.started() == after, "restarted a second time without need"
    assert bystander.started() == untouched, "an unlabelled container was touched"
    assert len(recorder.restarts(web)) == 1
    (_, _, target), = recorder.requests("POST")
    assert "t=" not in target, target
    seen = service.container("web")
    assert (seen["phase"], seen["restart_count"], seen["health"]["status"]) == ("watching", 1, "healthy")
    assert seen["quarantined"] is False and seen["next_action"] is None
    assert service.get("/api/config", token=True).json()["containers"]["restart_counts"] == {"web": 1}


def test_the_containers_own_grace_period_holds(engine, autoheal, recorder):
    """A container that needs 3 s to stop gets its 3 s: no `t=` of ours overrides its stop timeout."""
    deaf = engine.run("deaf3", labels=LABEL, cmd=["sh", "-c", 'trap "" TERM; while :; do sleep 3600; done'],
                      stop_timeout=3)
    service = autoheal(recorder)
    deaf.wait_health("healthy")
    deaf.sick()
    service.wait_event("recovered", "deaf3", timeout=20)
    assert [t for _, _, t in recorder.requests("POST") if "t=" in t] == []
    times = dict(reversed(deaf.events(actions=("kill", "die"))))  # the first of each
    grace = (times["die"] - times["kill"]) / 1e9
    assert 2.9 < grace < 4.5, f"it had {grace:.2f} s to stop"


def test_stop_timeout_from_the_label(engine, autoheal, recorder):
    """`autoheal.stop.timeout` is given as `t`, and only it."""
    deaf = engine.run("deaf1", labels={**LABEL, "autoheal.stop.timeout": "1"}, stop_timeout=60,
                      cmd=["sh", "-c", 'trap "" TERM; while :; do sleep 3600; done'])
    service = autoheal(recorder)
    deaf.wait_health("healthy")
    deaf.sick()
    service.wait_event("recovered", "deaf1", timeout=20)
    (_, _, target), = recorder.requests("POST")
    assert target.endswith("/restart?t=1"), target


def test_sick_before_autoheal_came(engine, autoheal):
    """A container that was unhealthy before autoheal started sends no event any more; the list finds it."""
    early = engine.run("early", labels=LABEL)
    early.wait_health("healthy")
    before = early.started()
    early.sick()
    early.wait_health("unhealthy")
    service = autoheal(engine)
    early.wait_restarted(before)
    service.wait_event("recovered", "early", timeout=15)
    assert service.container("early")["restart_count"] == 1


def quarantined(engine, autoheal, name):
    """A container that no restart helps, restarted as often as allowed."""
    hopeless = engine.run(name, labels=LABEL, control=True,
                          cmd=["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done'])
    service = autoheal(engine, AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false", AUTOHEAL_MAX_RESTARTS="2",
                       AUTOHEAL_RECOVERY_TIMEOUT="1", AUTOHEAL_INTERVAL="1")
    hopeless.wait_health("healthy")
    hopeless.sick()
    service.wait_event("quarantine", name, timeout=40)
    assert len(service.events("restart", name)) == 2
    assert service.container(name)["phase"] == "quarantined"
    return hopeless, service


def test_without_help_it_ends_in_quarantine(engine, autoheal):
    """It is left in quarantine; cured by hand, it leaves that by itself."""
    hopeless, service = quarantined(engine, autoheal, "hopeless")
    assert service.get("/api/status", token=True).json()["quarantined_containers"] == 1
    before = hopeless.started()
    wait_audits(service)
    assert hopeless.started() == before
    hopeless.well()
    service.wait_event("auto_unquarantine", "hopeless", timeout=20, status="released")
    assert service.container("hopeless")["phase"] == "watching"


def test_a_person_releases_from_quarantine(engine, autoheal):
    """Still sick, it is acted on at once; and now that helps."""
    patient, service = quarantined(engine, autoheal, "patient")
    assert service.post("/api/containers/patient/unquarantine").status == 200
    service.wait_event("restart", "patient", timeout=10, count=3)
    patient.well()
    service.wait_event("recovered", "patient", timeout=20)
    assert [e["status"] for e in service.events("unquarantine", "patient")] == ["released"]
    assert service.container("patient")["quarantined"] is False
    assert service.post("/api/containers/patient/unquarantine").status == 409

"""Maintenance, snooze and a restart by hand on a real engine."""
from conftest import wait_audits

LABEL = {"autoheal": "true"}


def test_maintenance_then_a_heal_then_a_restart_by_hand(engine, autoheal, recorder):
    """Sick in maintenance it is left alone over several audits; then it is looked at anew and healed. A person's restart
    of the well container is verified by its health."""
    web = engine.run("kept", labels=LABEL)
    service = autoheal(recorder, AUTOHEAL_INTERVAL="1", AUTOHEAL_COOLDOWN="600")
    web.wait_health("healthy")
    assert service.post("/api/maintenance/enable").status == 200
    before = web.started()
    web.sick()
    service.wait_event("skipped", "kept", timeout=15, status="maintenance")
    wait_audits(service, 2)
    assert web.started() == before and recorder.requests("POST") == []
    service.post("/api/maintenance/disable")
    service.wait_event("recovered", "kept", timeout=20)

    again = web.started()
    answer = service.post("/api/containers/kept/restart")
    assert answer.status == 202
    recovered = service.wait_event("recovered", "kept", timeout=20, count=2)
    assert recovered["incident"] == answer.json()["incident"] and web.started() > again
    assert [(e["event_type"], e.get("reason")) for e in service.events("restart", "kept")] == \
        [("restart", "unhealthy"), ("restart", "manual")]
    assert len(recorder.restarts(web)) == 2


def test_what_a_person_stopped_is_started_by_hand(engine, autoheal):
    web = engine.run("asleep", labels=LABEL)
    service = autoheal(engine)
    web.wait_health("healthy")
    web.stop()
    service.wait_phase("asleep", "hands_off")
    assert service.post("/api/containers/asleep/restart").status == 202
    service.wait_event("recovered", "asleep", timeout=20)
    assert web.state()["Running"] and service.wait_phase("asleep", "watching")

"""The engine goes and comes back under a running autoheal."""
from engine import wait

LABEL = {"autoheal": "true"}


def test_engine_restart(own_engine, autoheal):
    """dockerd is stopped and started again (live-restore: the containers run on). autoheal says `engine_lost`, its
    /health turns 503 with the reason, it connects again by itself and heals as before: new containers and old."""
    old = own_engine.run("survivor", labels=LABEL)
    service = autoheal(own_engine, AUTOHEAL_INTERVAL="1", AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false")
    old.wait_health("healthy")
    before = old.started()
    own_engine.terminate()
    service.wait_event("engine_lost", timeout=10, status="lost")
    service.wait_log("lost")
    health = service.get("/health").json()
    assert health["docker_connected"] is False
    wait(lambda: service.get("/health").status == 503, 10, "/health to say 503")
    assert service.get("/health").json()["reason"]
    own_engine.start()
    wait(lambda: service.get("/health").status == 200, 20, "/health to say 200 again")
    assert service.events("engine_connected")[-1]["status"] == "connected"
    assert service.log_lines("connected")
    assert old.started() == before, "the survivor was touched"
    new = own_engine.run("newcomer", labels=LABEL)
    old.restart()  # 20.10 probes a survivor only after its next start
    for c in (new, old):
        c.wait_health("healthy")
        before = c.started()
        c.sick()
        c.wait_restarted(before)
        service.wait_event("recovered", c.name, timeout=15)
    assert len([e for e in service.events("auto_monitor", "survivor")]) == 1
    assert service.get("/api/status", token=True).json()["engines"][0]["reconnects"] >= 1

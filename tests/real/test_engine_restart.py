"""The engine goes and comes back under a running autoheal."""
from engine import DEAF, wait

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


def test_the_engine_crashes_while_a_heal_waits(own_engine, autoheal):
    """Sick again within the cooldown, the restart is due while nobody is there to ask: done once the engine is back."""
    web = own_engine.run("web", labels=LABEL)
    service = autoheal(own_engine, AUTOHEAL_INTERVAL="1", AUTOHEAL_COOLDOWN="12", AUTOHEAL_BACKOFF="false",
                       AUTOHEAL_MAX_RESTARTS="0")
    web.wait_health("healthy")
    before = web.started()
    web.sick()
    before = web.wait_restarted(before)
    service.wait_event("recovered", "web", timeout=15)
    web.sick()
    service.wait_phase("web", "waiting", timeout=10)
    own_engine.crash()
    service.wait_event("engine_lost", timeout=10, status="lost")
    own_engine.start()
    assert web.state()["Running"]
    web.wait_restarted(before, timeout=40)
    service.wait_event("recovered", "web", timeout=20, count=2)
    assert web.state()["Running"] and web.health() == "healthy"
    assert len(service.events("restart", "web")) == 2


def test_sick_while_the_engine_is_away(own_engine, autoheal):
    """Docker before 23 probes the survivors of its own crash never again (moby#41871): then nothing can be known, and
    nothing is done. One that does probe has it healed, once."""
    web = own_engine.run("web", labels=LABEL, control=True)
    service = autoheal(own_engine, AUTOHEAL_INTERVAL="1", AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false")
    web.wait_health("healthy")
    before = web.started()
    own_engine.crash()
    service.wait_event("engine_lost", timeout=10, status="lost")
    web.sick()
    own_engine.start()
    wait(lambda: service.get("/health").status == 200, 20, "/health to say 200 again")
    if int(own_engine.get("/version")["Version"].split(".")[0]) >= 23:
        web.wait_restarted(before)
        service.wait_event("recovered", "web", timeout=15)
        assert len(service.events("restart", "web")) == 1
        return
    newcomer = own_engine.run("newcomer", labels=LABEL)
    service.wait_event("auto_monitor", "newcomer")
    newcomer.wait_health("healthy")
    assert web.state()["Running"] and web.started() == before and web.health() == "healthy"
    assert not service.events("restart", "web")
    web.restart()
    before = web.wait_health("healthy").started()
    web.sick()
    web.wait_restarted(before)
    service.wait_event("recovered", "web", timeout=15)
    assert len(service.events("restart", "web")) == 1


def test_the_engine_crashes_amid_a_restart_of_ours(own_engine, autoheal):
    """It was stopping the container when it died. Whatever it made of that: in the end the container runs, and is well."""
    web = own_engine.run("web", labels=LABEL, cmd=DEAF, stop_timeout=3)
    other = own_engine.run("other", labels=LABEL)
    service = autoheal(own_engine, AUTOHEAL_INTERVAL="1", AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false",
                       AUTOHEAL_RECOVERY_TIMEOUT="10")
    web.wait_health("healthy")
    before = web.started()
    web.sick()
    service.wait_phase("web", "restarting", timeout=15)
    own_engine.crash()
    service.wait_event("engine_lost", timeout=10, status="lost")
    own_engine.start()
    other.restart()
    started = other.wait_health("healthy").started()
    other.sick()  # the others do not wait for what became of it
    other.wait_restarted(started)
    web.wait_restarted(before, timeout=120)
    service.wait_event("recovered", "web", timeout=30)
    assert web.state()["Running"] and web.health() == "healthy"

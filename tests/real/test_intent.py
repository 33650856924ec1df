"""What a person stopped stays stopped; what only looked like a stop means nothing."""
import threading
import time

from conftest import wait_audits

LABEL = {"autoheal": "true"}


def test_manual_stop_and_kill_stay_down(engine, autoheal, recorder):
    """Containers that a person stops or kills (137 and 143 are no crash then) are left alone over several audits, sick
    or not, whatever their restart policy; started again they are watched as before."""
    stopped = engine.run("stopped", labels=LABEL)
    killed = engine.run("killed", labels=LABEL)
    always = engine.run("killed-always", labels=LABEL, restart="always")
    sick = engine.run("stopped-deaf", labels=LABEL, stop_timeout=1,
                      cmd=["sh", "-c", 'trap "touch /run/bad" TERM; while :; do sleep 0.1; done'])
    service = autoheal(recorder, AUTOHEAL_RESTART_MODE="both", AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false")
    for c in (stopped, killed, always, sick):
        c.wait_health("healthy")
    stopped.stop()
    killed.kill()
    always.kill()
    sick.stop()
    for c in (stopped, killed, always, sick):
        assert service.wait_phase(c.name, "hands_off")["reason"]
    time.sleep(2.5)  # a crash would be acted on 2 s after it
    wait_audits(service)
    for c in (stopped, killed, always, sick):
        assert c.state()["Status"] == "exited", f"{c.name} was revived"
    assert recorder.requests("POST") == []
    stopped.start()
    service.wait_phase("stopped", "watching")
    stopped.wait_health("healthy")
    before = stopped.started()
    stopped.sick()
    stopped.wait_restarted(before)
    service.wait_event("recovered", "stopped", timeout=15)


def test_unhealthy_amid_a_slow_stop(engine, autoheal, recorder):
    """`docker stop` of containers that take 6 s and 23 s, and whose probes fail meanwhile: the engine sends `kill`, then
    `health_status: unhealthy`, then `die`. That is no call to act, as long as their own stop timeouts run."""
    def stopping(seconds):
        return ["sh", "-c", f'trap "touch /run/bad; sleep {seconds}; exit 0" TERM; while :; do sleep 0.1; done']

    slow = [engine.run("slow6", labels=LABEL, stop_timeout=20, cmd=stopping(6), interval=0.7),
            engine.run("slow23", labels=LABEL, stop_timeout=60, cmd=stopping(23), interval=0.7)]
    service = autoheal(recorder, AUTOHEAL_INTERVAL="1")
    for c in slow:
        c.wait_health("healthy")
    since = time.time_ns()
    stops = [threading.Thread(target=c.stop) for c in slow]
    for t in stops:
        t.start()
    for c, t in zip(slow, stops):
        c.wait_health("unhealthy")
        t.join()
        order = [a for a, _ in c.events(since, ("kill", "health_status: unhealthy", "die"))]
        assert order == ["kill", "health_status: unhealthy", "die"], f"the premise: {order}"
    wait_audits(service)
    for c in slow:
        assert c.state()["Status"] == "exited", f"{c.name}: a stop by a person was undone"
        service.wait_phase(c.name, "hands_off")
    assert recorder.requests("POST") == []
    assert service.events("restart") == []


def test_survived_signal_means_nothing(engine, autoheal):
    """`docker kill -s HUP` (log rotation) sends `kill` too. Until the container's own stop timeout + 10 s nothing is
    done, as it could be a stop; as it still runs then, its sickness counts and is healed. One that falls sick after
    that time is healed at once."""
    rotated = engine.run("rotated", labels=LABEL, stop_timeout=1)
    later = engine.run("rotated-later", labels=LABEL, stop_timeout=1)
    service = autoheal(engine, AUTOHEAL_INTERVAL="30")  # so that no audit helps
    for c in (rotated, later):
        c.wait_health("healthy")
    before = {c.name: c.started() for c in (rotated, later)}
    later.kill("SIGHUP")
    rotated.kill("SIGHUP")
    sent = time.time_ns()
    rotated.sick()
    rotated.wait_health("unhealthy")
    assert service.container("rotated")["phase"] != "hands_off"
    healed = rotated.wait_restarted(before["rotated"], 25)
    waited = (healed - sent) / 1e9
    assert 10.5 < waited < 14, f"restarted {waited:.1f} s after the signal, not after 11 s"
    service.wait_event("recovered", "rotated", timeout=15)
    assert later.started() == before["rotated-later"]
    later.sick()
    later.wait_restarted(before["rotated-later"], 3)
    service.wait_event("recovered", "rotated-later", timeout=15)

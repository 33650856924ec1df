"""What is none of autoheal's business."""
import time

from conftest import wait_audits
from engine import wait

LABEL = {"autoheal": "true"}


def test_crash_loop_is_the_engines_business(engine, autoheal, recorder):
    """A container that its own restart policy restarts over and over is not restarted by autoheal as well, though the
    engine says `restarting` and unhealthy."""
    looping = engine.run("looping", labels=LABEL, restart="always", cmd=["sh", "-c", "sleep 0.3; exit 1"])
    service = autoheal(recorder, AUTOHEAL_RESTART_MODE="health", AUTOHEAL_INTERVAL="1")
    wait(lambda: looping.inspect()["RestartCount"] >= 4, 20, "the engine to restart it")
    wait_audits(service)
    assert recorder.requests("POST") == []
    assert service.events("restart") == []
    assert service.container("looping")["monitored"] is True


def test_container_with_rm(engine, autoheal, recorder):
    """A sick `--rm` container is healed and stays; when it exits by itself and the engine removes it, nothing is done
    in mode health and nothing breaks."""
    gone = engine.run("fleeting", labels=LABEL, rm=True, cmd=[
        "sh", "-c", 'trap "exit 0" TERM; trap "exit 3" USR1; while :; do sleep 3600 & wait $!; done'])
    service = autoheal(recorder, AUTOHEAL_RESTART_MODE="health", AUTOHEAL_INTERVAL="1")
    gone.wait_health("healthy")
    before = gone.started()
    gone.sick()
    gone.wait_restarted(before)
    service.wait_event("recovered", "fleeting", timeout=15)
    gone.exec("kill", "-USR1", "1")
    wait(lambda: engine.api("GET", f"/containers/{gone.id}/json")[0] == 404, 10, "the engine to remove it")
    wait_audits(service)
    assert len(recorder.requests("POST")) == 1
    assert service.get("/health").status == 200
    assert not service.log_lines(" - ERROR - ")


def test_exited_before_anyone_watched(engine, autoheal, recorder):
    """A labelled container that exited non-zero before autoheal came is left alone."""
    old = engine.run("old", labels=LABEL, cmd=["sh", "-c", "exit 3"])
    wait(lambda: old.state()["Status"] == "exited", 10, "it to exit")
    service = autoheal(recorder, AUTOHEAL_INTERVAL="1")
    time.sleep(2.5)
    wait_audits(service)
    assert old.state()["Status"] == "exited"
    assert recorder.requests("POST") == []

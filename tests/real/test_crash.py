"""Containers that crash on a real engine, and the actions that a label chooses."""
from engine import wait

LABEL = {"autoheal": "true"}
FAILS_ONCE = ["sh", "-c", "test -e /been && exec sleep 3600; touch /been; sleep 1.5; exit 3"]


def test_a_crash_is_started_and_a_gave_up_restart_policy_is_followed(engine, autoheal, recorder):
    """An exit with a code is started again, once; on-failure:1 is left to the engine until it has given up."""
    fails_twice = ["sh", "-c", "echo >>/been; test $(wc -l </been) -gt 2 && exec sleep 3600; sleep 1.5; exit 4"]
    service = autoheal(recorder, AUTOHEAL_INTERVAL="1", AUTOHEAL_RECOVERY_TIMEOUT="2")
    # one probe in a container that is just exiting fails too, and would be a proof of its own
    once = engine.run("once", labels=LABEL, retries=3, cmd=FAILS_ONCE)
    policy = engine.run("policy", labels=LABEL, retries=3, restart="on-failure:1", cmd=fails_twice)
    gone = engine.run("gone", labels=LABEL, retries=3, rm=True, cmd=["sh", "-c", "sleep 1.5; exit 5"])
    for name, code in (("once", 3), ("policy", 4)):
        event = service.wait_event("restart", name, timeout=20)
        assert (event["action"], event["reason"], event["exit_code"], event["status"]) == ("start", "crash", code, "success")
    wait(lambda: once.state()["Running"] and policy.state()["Running"], 5, "both to run")
    wait(lambda: engine.api("GET", f"/containers/{gone.id}/json")[0] == 404, 10, "the engine to remove it")
    assert len(recorder.requests("POST")) == 2
    assert not service.log_lines(" - ERROR - ")


def test_stop_and_kill_by_label(engine, autoheal, recorder):
    """stop: once, and left; kill: SIGKILL, and one start."""
    stopped = engine.run("stopped", labels={**LABEL, "autoheal.action": "stop"})
    killed = engine.run("killed", labels={**LABEL, "autoheal.action": "kill"})
    service = autoheal(recorder, AUTOHEAL_INTERVAL="1")
    for c in (stopped, killed):
        c.wait_health("healthy")
        c.sick()
    service.wait_event("recovered", "killed", timeout=20)
    assert [e["action"] for e in service.events("restart", "killed")] == ["kill", "start"]
    service.wait_phase("stopped", "hands_off")
    wait(lambda: stopped.state()["Status"] == "exited", 15, "it to stop")
    assert len(recorder.requests("POST")) == 3

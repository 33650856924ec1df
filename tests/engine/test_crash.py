"""Containers that exit by themselves: started again, unless that is somebody else's business."""
import time

import pytest

from steps import LABEL, QUICK, audits, fence, left_alone

AUDITED = {**QUICK, "AUTOHEAL_INTERVAL": "1"}
PLAIN = {"labels": LABEL, "healthcheck": False}


def looked_at(engine, container, timeout=6.0):
    """Returns when an inspect of it was asked for after it exited, and its answer was dealt with."""
    engine.wait_request("GET", f"^/containers/{container.id}/json$",
                        len(engine.requests("GET", f"^/containers/{container.id}/json$")) + 1, timeout)


def test_a_crash_is_started_again_and_proven(engine, autoheal):
    """An exit with a code, and nobody stopped it: `start`, 2 s later, proven by its health."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    died = time.monotonic()
    engine.die(web, 3)
    asked = engine.wait_post(web, "start", timeout=6)
    assert 1.9 < asked.time - died < 5
    event = ah.wait_event("restart", "web")
    assert (event["status"], event["action"], event["reason"], event["exit_code"]) == ("success", "start", "crash", 3)
    assert ah.wait_event("recovered", "web")["duration_ms"] >= 1900
    assert [r.path.rsplit("/", 1)[1] for r in engine.posts()] == ["start"]


def test_without_a_healthcheck_it_is_proven_by_running_on(engine, autoheal):
    web = engine.add("web", **PLAIN)
    ah = autoheal(engine, AUTOHEAL_RECOVERY_TIMEOUT="1")
    web.oom_killed = True
    engine.die(web, 137)
    assert ah.wait_event("recovered", "web", timeout=8)["status"] == "running"
    ah.wait_log(r"has crashed with exit code 137: the kernel ended it for want of memory")


@pytest.mark.parametrize("name,what,code,words", [
    ("ended", {}, 0, "exit code 0"),
    ("removed", {"auto_remove": True}, 1, "--rm"),
    ("engines", {"restart_policy": "always"}, 1, "restart policy"),
    ("tries", {"restart_policy": "on-failure"}, 1, "restart policy"),
    ("wanted", {"labels": {**LABEL, "autoheal.action": "stop"}}, 1, "autoheal.action=stop"),
])
def test_whose_business_it_is_not(engine, autoheal, name, what, code, words):
    """Exit code 0, --rm, the engine's own restart policy, a label: left, and the API says why."""
    c = engine.add(name, **{**PLAIN, **what})
    ah = autoheal(engine, **QUICK)
    engine.die(c, code)
    if code:
        looked_at(engine, c)
    left_alone(engine, ah, c)
    assert words in ah.container(name)["reason"]


def test_an_engine_that_gave_up_leaves_it_to_us(engine, autoheal):
    """on-failure:3, tried three times, and exited: nobody else brings it back."""
    web = engine.add("web", restart_policy="on-failure", **PLAIN)
    web.restarts_most = web.restart_count = 3
    autoheal(engine, **QUICK)
    engine.die(web, 1)
    engine.wait_post(web, "start", timeout=6)


def test_a_stop_that_follows_cancels(engine, autoheal):
    """Docker 20.10 tells `die` before `stop`; a kill that came from elsewhere may not be told at all."""
    web = engine.add("web", **PLAIN)
    ah = autoheal(engine, **AUDITED)
    engine.die(web, 143)
    engine.event("stop", web)
    audits(engine, 3)
    left_alone(engine, ah, web)
    assert ah.container("web")["phase"] == "hands_off"


def test_stopped_while_nobody_watched(engine, autoheal):
    """Exited when autoheal came, or without a word while it watched: left, with the reason, told once."""
    engine.add("before", state="exited", exit_code=1, **PLAIN)
    gone = engine.add("gone", **PLAIN)
    ah = autoheal(engine, **AUDITED)
    assert "stopped while nobody watched" in ah.container("before")["reason"]
    ah.wait_log(r"'before' \(\w{12}\) stopped while nobody watched")
    with engine.lock:
        gone.state, gone.exit_code = "exited", 1
    ah.wait_log(r"'gone' \(\w{12}\) is left alone until it is started: stopped while nobody watched", timeout=15)
    assert ah.container("gone")["phase"] == "hands_off"
    assert "stopped while nobody watched" in ah.container("gone")["reason"]
    audits(engine)
    left_alone(engine, ah, gone, engine.find("before"))
    assert ah.log().count("stopped while nobody watched") == 2


def test_a_crash_in_a_cut_is_told_by_the_replay(engine, autoheal):
    """It exits while the stream is away: the events the engine still holds tell."""
    web = engine.add("web", **PLAIN)
    autoheal(engine)
    down = engine.fault("GET", "/events", status=500)
    engine.drop_streams()
    engine.die(web, 1)
    down.remove()
    engine.wait_post(web, "start", timeout=15)


def test_podmans_exits_are_not_judged(make_engine, autoheal):
    """A person's stop brings only `died` there: it cannot be told from a crash."""
    engine = make_engine(flavour="podman")
    web = engine.add("web", **PLAIN)
    ah = autoheal(engine, **QUICK)
    engine.die(web, 1)
    ah.wait_log("Podman does not tell a crash from a stop by a person")
    left_alone(engine, ah, web)


@pytest.mark.parametrize("settings,labels,started", [
    ({"AUTOHEAL_RESTART_MODE": "health"}, LABEL, False),
    ({"AUTOHEAL_RESTART_MODE": "on-failure"}, LABEL, True),
    ({"AUTOHEAL_INCLUDE": "web"}, {}, False),
    ({"AUTOHEAL_INCLUDE": "web"}, LABEL, True),
    ({"AUTOHEAL_INCLUDE": "web", "AUTOHEAL_RESTART_MODE": "both"}, {}, True),
    ({"AUTOHEAL_CONTAINER_LABEL": "all"}, {}, False),
])
def test_modes(engine, autoheal, settings, labels, started):
    """Nobody wants every one-shot job of the host started again: who is watched unasked is healed for its health."""
    web = engine.add("web", labels=labels)
    ah = autoheal(engine, **QUICK, **settings)
    if settings.get("AUTOHEAL_RESTART_MODE") == "on-failure":
        engine.sicken(web)
        left_alone(engine, ah, web)
    engine.die(web, 1)
    if started:
        engine.wait_post(web, "start", timeout=6)
    else:
        ah.wait_log("only its health is healed")
        left_alone(engine, ah, web)


def test_a_dry_run_and_a_label_only_tell(make_engine, autoheal):
    engine = make_engine()
    web, told = engine.add("web", **PLAIN), engine.add("told", healthcheck=False,
                                                       labels={**LABEL, "autoheal.restart.enable": "false"})
    ah = autoheal(engine, AUTOHEAL_DRY_RUN="true")
    engine.die(web, 1)
    event = ah.wait_event("skipped", "web", timeout=6)
    assert event["status"] == "dry_run" and "started" in event["message"] and "crashed" in event["message"]
    assert not engine.posts()
    ah.stop()
    ah = autoheal(engine)
    engine.die(told, 1)
    event = ah.wait_event("restart", "told", timeout=6)
    assert (event["action"], event["reason"], event["exit_code"]) == ("notify", "crash", 1)
    assert not engine.posts()


def test_what_exits_again_and_again_is_given_up(engine, autoheal):
    """Every failed start counts; in quarantine it is left, and a person's word starts it at once."""
    web = engine.add("web", **PLAIN)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false", AUTOHEAL_MAX_RESTARTS="2")
    for count in (1, 2):
        engine.die(web, 1)
        engine.wait_post(web, "start", count, timeout=6)
        ah.wait_event("restart", "web", count=count)
    engine.die(web, 1)
    ah.wait_event("not_recovered", "web", status="exited", count=2)
    ah.wait_event("quarantine", "web", timeout=6)
    fence(engine, ah)
    assert len(engine.posts()) == 2 and ah.container("web")["quarantined"]


def test_a_crash_loop_is_told_once_and_left_to_the_engine(engine, autoheal):
    web = engine.add("web", restart_policy="always", **PLAIN)
    ah = autoheal(engine, AUTOHEAL_MAX_RESTARTS="3", AUTOHEAL_RECOVERY_TIMEOUT="1")
    for _ in range(6):
        engine.die(web, 1)
        engine.start_by_person(web)             # as its restart policy does
    assert ah.wait_event("crash_loop", "web")["status"] == "looping"
    assert ah.wait_event("crash_loop", "web", status="ended")
    assert [e["status"] for e in ah.events("crash_loop")] == ["looping", "ended"]
    assert not engine.posts()


def test_another_healer_is_told_once(engine, autoheal):
    """It restarts what we have just seen: three times is no chance."""
    sick = [engine.add(f"web{i}", labels=LABEL) for i in range(4)]
    ah = autoheal(engine, AUTOHEAL_DRY_RUN="true")
    for c in sick:
        engine.sicken(c)
        engine.restart_by_person(c)
    fence(engine, ah)
    assert ah.log().count("another healer runs here") == 1


def test_a_kill_whose_end_is_slow_is_followed_by_one_start(engine, autoheal):
    """SIGKILL is answered before the exit is seen; the start waits for it."""
    web = engine.add("web", labels={**LABEL, "autoheal.action": "kill"})
    ah = autoheal(engine, **QUICK)

    def kill(container, request):
        engine.event("kill", container, signal="9")
        return 204, None
    engine._post_kill = kill
    engine.sicken(web)
    event = ah.wait_event("restart", "web")
    assert (event["action"], event["status"]) == ("kill", "success")
    assert [r.path.rsplit("/", 1)[1] for r in engine.posts()] == ["kill"]
    engine.die(web, 137)
    ah.wait_event("recovered", "web")
    assert [r.path.rsplit("/", 1)[1] for r in engine.posts()] == ["kill", "start"]
    assert [e["action"] for e in ah.events("restart", "web")] == ["kill", "start"]
    assert ah.container("web")["restart_count"] == 1

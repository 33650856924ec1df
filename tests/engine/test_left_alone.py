"""Containers that look sick and must not be touched, and those that must be after all."""
import shutil
import time

import pytest

import harness
from steps import LABEL, QUICK, audits, fence, healed, left_alone, sick_and_healed

AUDITED = {**QUICK, "AUTOHEAL_INTERVAL": "1"}


@pytest.mark.parametrize("api", ["1.51", "1.52"])
def test_a_paused_container_stays_paused(make_engine, autoheal, api):
    """docker pause makes a healthy container read 'unhealthy', without an event or a failed probe."""
    engine = make_engine(api=api)
    web, before = engine.add("web", labels=LABEL), engine.add("before", labels=LABEL)
    engine.pause(before)
    ah = autoheal(engine, **AUDITED)
    engine.pause(web)
    assert (web.health, web.streak) == ("unhealthy", 0)
    audits(engine)
    left_alone(engine, ah, web, before)
    assert ah.container("web")["status"] == "paused"


@pytest.mark.parametrize("value", ["true", "false"])
def test_only_monitor_running_is_accepted_and_changes_nothing(engine, autoheal, value):
    """A spelling of willfarrell's: paused and stopped containers are never restarted for their health."""
    paused, stopped, web = (engine.add(name, labels=LABEL) for name in ("paused", "stopped", "web"))
    ah = autoheal(engine, AUTOHEAL_ONLY_MONITOR_RUNNING=value, **AUDITED)
    engine.pause(paused)
    engine.stop_by_person(stopped)
    audits(engine)
    assert (paused.health, stopped.health) == ("unhealthy", "unhealthy")
    left_alone(engine, ah, paused, stopped)
    sick_and_healed(engine, ah, web)


@pytest.mark.parametrize("api", ["1.51", "1.52"])
def test_a_just_unpaused_container_is_given_its_probes(make_engine, autoheal, api):
    """After unpause the status stays 'unhealthy' until the next probe: only enough failed probes are proof."""
    engine = make_engine(api=api)
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **AUDITED)
    engine.pause(web)
    engine.unpause(web)
    audits(engine)
    for streak in (1, 2):
        engine.set_health(web, "unhealthy", streak=streak, event=False)
        audits(engine)
        left_alone(engine, ah, web)
    engine.set_health(web, "unhealthy", streak=3, event=False)
    healed(engine, ah, web)


def test_absent_retries_mean_dockers_three(engine, autoheal):
    """Without --health-retries inspect has no Retries: Docker's default is 3."""
    web = engine.add("web", labels=LABEL, retries=0)
    ah = autoheal(engine, **AUDITED)
    engine.pause(web)
    engine.unpause(web)
    engine.set_health(web, "unhealthy", streak=2, event=False)
    audits(engine)
    left_alone(engine, ah, web)
    engine.set_health(web, "unhealthy", streak=3, event=False)
    engine.wait_restart(web)


def test_a_container_that_the_engine_restarts_is_left_to_it(engine, autoheal):
    """Restart policy back-off: Running and Restarting at once, and unhealthy."""
    engine.add("web", labels=LABEL, state="restarting", health="unhealthy", streak=3, restart_policy="always")
    ah = autoheal(engine, **AUDITED)
    audits(engine)
    left_alone(engine, ah)


def test_an_exited_container_is_left_alone(engine, autoheal):
    """It reads unhealthy, but POST restart would start what somebody stopped."""
    engine.add("web", labels=LABEL, state="exited", health="unhealthy", exit_code=137)
    engine.add("new", labels=LABEL, state="created", health="unhealthy")
    ah = autoheal(engine, **AUDITED)
    audits(engine)
    left_alone(engine, ah)
    assert not ah.events("restart")


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
def test_a_persons_stop_is_not_undone(make_engine, autoheal, version):
    """docker stop sends kill, then perhaps 'unhealthy' while it stops, then die: no call to act, now or later."""
    engine = make_engine(version=version)
    web = engine.add("web", labels=LABEL, stop_seconds=0.6)
    web.sick_while_stopping = 0.2
    ah = autoheal(engine, **AUDITED)
    engine.stop_by_person(web)
    fence(engine, ah)
    assert ah.container("web")["phase"] == "hands_off"
    audits(engine)
    left_alone(engine, ah, web)
    web.sick_while_stopping = None
    engine.start_by_person(web)
    ah.wait_phase("web", "watching")
    sick_and_healed(engine, ah, web)


@pytest.mark.parametrize("exit_code", [0, 143, 137])
def test_whatever_the_exit_code_of_a_stop(engine, autoheal, exit_code):
    """A stop is known by its kill, not by exit code 0."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **AUDITED)
    engine.event("kill", web, signal="15")
    engine.die(web, exit_code)
    engine.event("stop", web)
    audits(engine)
    left_alone(engine, ah, web)
    assert ah.container("web")["phase"] == "hands_off"


def test_a_kill_by_hand_is_a_stop(engine, autoheal):
    """docker kill: the container stays down, even with restart policy always (moby#33306)."""
    web = engine.add("web", labels=LABEL, restart_policy="always")
    ah = autoheal(engine, **AUDITED)
    engine.kill(web, "KILL")
    audits(engine)
    left_alone(engine, ah, web)


def test_stopped_between_the_decision_and_the_request(engine, autoheal):
    """It exits while autoheal waits: it is asked about anew, and not started."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_UNHEALTHY_FOR="1")
    engine.sicken(web)
    fence(engine, ah)
    with engine.lock:                           # stopped, and no event told
        web.state, web.exit_code = "exited", 143
    before = len(engine.requests("GET", f"/containers/({web.id}|web)/json"))
    engine.wait_request("GET", f"/containers/({web.id}|web)/json", before + 1)
    assert ah.wait_event("skipped", "web")["status"] == "stopped"
    left_alone(engine, ah, web)


@pytest.mark.first
def test_a_long_stop_is_not_undone(engine, autoheal):
    """docker stop of a database with a stop_grace_period of minutes: unhealthy meanwhile, for longer than 20 s."""
    db = engine.add("db", labels=LABEL, stop_timeout=300, stop_seconds=24)
    db.sick_while_stopping = 0.1
    ah = autoheal(engine, **AUDITED)
    engine.stop_by_person(db)
    audits(engine)
    left_alone(engine, ah, db)


@pytest.mark.first
def test_a_log_rotation_is_no_stop(engine, autoheal):
    """docker kill -s HUP sends `kill` and the container runs on: sick later, it is healed, though not at once."""
    web = engine.add("web", labels=LABEL, stop_timeout=1)
    ah = autoheal(engine, **QUICK)
    fence(engine, ah)
    killed = time.monotonic()
    engine.kill(web, "HUP")
    engine.sicken(web)
    asked = engine.wait_restart(web, timeout=20)
    assert 10.5 < asked.time - killed < 13
    ah.wait_event("recovered", "web")


def test_a_rename_only_renames(engine, autoheal):
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    engine.rename(web, "site")
    fence(engine, ah)
    assert ah.container("site")["full_id"] == web.id
    engine.sicken(web)
    engine.wait_restart(web)
    ah.wait_event("restart", "site")


@pytest.mark.parametrize("api,version", [("1.41", "20.10.24"), ("1.51", "28.5.2"), ("1.52", "29.0.0")])
def test_the_list_finds_what_no_event_told(make_engine, autoheal, api, version):
    """Sick after unpause, a lost event: the audit heals it, after a fresh look."""
    engine = make_engine(api=api, version=version, min_api="1.24")
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **AUDITED)
    engine.forget_requests()
    begin = time.monotonic()
    engine.set_health(web, "unhealthy", event=False)
    asked = engine.wait_restart(web, timeout=3)
    assert asked.time - begin < 2
    looked = [r for r in engine.requests("GET", "/json$") if r.path != "/containers/json" and r.time < asked.time
              and web.id in r.path or "/web/" in r.path]
    assert looked, "proof is asked for before an action that only a list suggests"
    ah.wait_event("recovered", "web")


def test_sick_before_autoheal_came(engine, autoheal):
    web = engine.add("web", labels=LABEL, health="unhealthy", streak=12)
    starting = engine.add("starting", labels=LABEL, health="starting", streak=0)
    ah = autoheal(engine)
    healed(engine, ah, web)
    left_alone(engine, ah, starting)


def test_an_audit_that_cannot_prove_it_waits(engine, autoheal):
    """The list says unhealthy, inspect says healthy by now: nothing is done."""
    web = engine.add("web", labels=LABEL)
    def better(_):
        web.health, web.streak = "healthy", 0
    engine.fault("GET", f"/containers/({web.id}|web)/json", also=better)
    ah = autoheal(engine, **AUDITED)
    engine.set_health(web, "unhealthy", event=False)
    audits(engine)
    left_alone(engine, ah, web)


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare")
def test_never_itself(engine, autoheal):
    """A healer that restarts itself cuts its own request and stays down: known by hostname, confirmed by inspect."""
    me = engine.add("autoheal", labels=LABEL)
    twin = engine.add("twin", labels=LABEL)
    ah = autoheal(engine, **AUDITED, wrapper=["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', me.short_id])
    harness.wait(lambda: not ah.container("autoheal")["monitored"], what="it to know itself")
    assert "own" in ah.container("autoheal")["reason"]
    assert not ah.events("auto_monitor", "autoheal")
    engine.sicken(me, twin)
    healed(engine, ah, twin)
    audits(engine)
    left_alone(engine, ah, me)
    assert ah.post("/api/containers/select", {"container_ids": ["autoheal"], "enabled": True}).status in (200, 409, 422)
    engine.sicken(me)
    audits(engine)
    left_alone(engine, ah, me)


def test_a_hostname_that_only_looks_like_an_id(engine, autoheal):
    """A container whose id starts as our hostname does, but which says another hostname of itself, is not us."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare")
    web = engine.add("web", labels=LABEL, hostname="elsewhere")
    ah = autoheal(engine, wrapper=["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', web.short_id])
    assert ah.container("web")["monitored"]
    sick_and_healed(engine, ah, web)


def test_containers_without_a_label_are_not_even_inspected(engine, autoheal):
    """A host full of strangers costs one list, not one request each."""
    for i in range(50):
        engine.add(f"stranger{i}")
    engine.add("web", labels=LABEL)
    ah = autoheal(engine, **AUDITED)
    audits(engine)
    asked = [r for r in engine.requests("GET", "/json$") if r.path != "/containers/json"]
    assert len({r.path for r in asked}) <= 12
    assert harness.wait(lambda: ah.get("/api/status").json()["total_containers"] == 51, what="all of them to be known")

"""How often, how long, and when to stop trying."""
import time

import pytest

import harness
from steps import LABEL, QUICK, audits, fence, gaps, left_alone, sick_and_healed


def test_the_cooldown_separates_two_heals(engine, autoheal):
    """Its own die is not a person's stop: sick again, it is healed again, but not within the cooldown."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="2", AUTOHEAL_BACKOFF="false")
    sick_and_healed(engine, ah, web)
    first = engine.restarts(web)[0]
    engine.sicken(web)
    next_action = ah.wait_phase("web", "waiting")["next_action"]
    assert next_action["action"] == "restart" and 0 < next_action["in_seconds"] <= 2 and next_action["reason"]
    second = engine.wait_restart(web, 2)
    assert 1.9 < second.time - first.answered < 3
    ah.wait_event("recovered", "web", count=2)
    assert ah.events("restart", "web")[-1]["restart_count"] == 2


@pytest.mark.parametrize(("label", "setting"), [("1", "600"), ("600", "0")])
def test_the_cooldown_by_label(engine, autoheal, label, setting):
    """autoheal.cooldown beats AUTOHEAL_COOLDOWN, whichever is longer."""
    web = engine.add("web", labels={**LABEL, "autoheal.cooldown": label})
    ah = autoheal(engine, AUTOHEAL_COOLDOWN=setting, AUTOHEAL_BACKOFF="false")
    sick_and_healed(engine, ah, web)
    engine.sicken(web)
    if label == "600":
        assert ah.wait_phase("web", "waiting")["next_action"]["in_seconds"] > 500
    else:
        assert 0.9 < engine.wait_restart(web, 2).time - engine.restarts(web)[0].answered < 3


def test_health_within_the_cooldown_cancels(engine, autoheal):
    web = engine.add("web", labels={**LABEL, "autoheal.cooldown": "1"})
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="600", AUTOHEAL_BACKOFF="false")
    sick_and_healed(engine, ah, web)
    engine.sicken(web)
    ah.wait_phase("web", "waiting")
    engine.set_health(web, "healthy")
    ah.wait_phase("web", "watching")
    engine.sicken(web)
    engine.wait_restart(web, 2)


def test_another_healers_restart_starts_the_cooldown(engine, autoheal):
    """An old healer left running beside the new one must not mean two restarts each time."""
    web = engine.add("web", labels=LABEL)
    autoheal(engine, AUTOHEAL_COOLDOWN="2", AUTOHEAL_BACKOFF="false")
    engine.restart_by_person(web)
    restarted = time.monotonic()
    harness.wait(lambda: web.health == "healthy", what="it to come up")
    engine.sicken(web)
    assert 1.5 < engine.wait_restart(web).time - restarted < 3.5


def test_a_person_does_not_wait_for_the_cooldown(engine, autoheal):
    """A foreign restart during the cooldown is no reason for anything of ours."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="600")
    sick_and_healed(engine, ah, web)
    engine.sicken(web)
    engine.restart_by_person(web)
    ah.wait_phase("web", "watching")
    left_alone_count = len(engine.restarts(web))
    fence(engine, ah)
    assert len(engine.restarts(web)) == left_alone_count == 1


QUARANTINE = {"AUTOHEAL_COOLDOWN": "0", "AUTOHEAL_BACKOFF": "false", "AUTOHEAL_MAX_RESTARTS": "2",
              "AUTOHEAL_RECOVERY_TIMEOUT": "2"}


def test_quarantine_and_release_by_health(engine, autoheal):
    """Two restarts in the window and still failing: given up, told so, and let go when it has stayed healthy."""
    web = engine.add("web", labels=LABEL, interval=0.1)
    ah = autoheal(engine, **QUARANTINE)
    for count in (1, 2):
        sick_and_healed(engine, ah, web, count)
    engine.sicken(web)
    event = ah.wait_event("quarantine", "web")
    assert event["status"] == "quarantined" and event["message"]
    shown = ah.container("web")
    assert shown["quarantined"] and shown["phase"] == "quarantined"
    assert ah.get("/api/status").json()["quarantined_containers"] == 1
    engine.sicken(web)
    fence(engine, ah)
    assert len(engine.restarts(web)) == 2
    better = time.monotonic()
    engine.set_health(web, "healthy")
    assert ah.wait_event("auto_unquarantine", "web")["status"] == "released"
    assert 1.8 < time.monotonic() - better < 3.5
    assert ah.container("web")["phase"] == "watching"
    assert ah.get("/api/status").json()["quarantined_containers"] == 0


def test_a_relapse_within_the_quarantines_proof_starts_it_anew(engine, autoheal):
    """Healthy for less than the recovery time is no release."""
    web = engine.add("web", labels=LABEL, interval=0.1)
    ah = autoheal(engine, **QUARANTINE)
    for count in (1, 2):
        sick_and_healed(engine, ah, web, count)
    engine.sicken(web)
    ah.wait_event("quarantine", "web")
    engine.set_health(web, "healthy")
    time.sleep(1)
    engine.sicken(web)
    better = time.monotonic()
    engine.set_health(web, "healthy")
    ah.wait_event("auto_unquarantine", "web")
    assert time.monotonic() - better > 1.8


def test_quarantine_tries_again_once_per_retry_time(engine, autoheal):
    web = engine.add("web", labels=LABEL, interval=0.1)
    ah = autoheal(engine, **QUARANTINE, AUTOHEAL_QUARANTINE_RETRY="2")
    for count in (1, 2):
        sick_and_healed(engine, ah, web, count)
    engine.sicken(web)
    ah.wait_event("quarantine", "web")
    begin = time.monotonic()
    assert 1.8 < engine.wait_restart(web, 3).time - begin < 3.5


def test_flapping_through_starting_ends_in_quarantine(engine, autoheal):
    """unhealthy -> starting -> unhealthy, never healthy: each restart counts although no tick saw it 'sick' for long."""
    web = engine.add("web", labels=LABEL, interval=0.1, heals_after=None)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false", AUTOHEAL_RECOVERY_TIMEOUT="1")
    engine.sicken(web)
    for count in (1, 2, 3):
        engine.wait_restart(web, count, timeout=15)
        ah.wait_event("restart", "web", count=count)
        engine.sicken(web)
    ah.wait_event("quarantine", "web", timeout=15)
    assert [e["status"] for e in ah.events("not_recovered", "web")] == ["timeout"] * 3
    assert len(engine.restarts(web)) == 3


@pytest.mark.parametrize("labels,restarts", [({"autoheal.max.restarts": "1"}, 1), ({"autoheal.max.restarts": "0"}, 5)])
def test_max_restarts_by_label(engine, autoheal, labels, restarts):
    web = engine.add("web", labels={**LABEL, **labels}, interval=0.1)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false", AUTOHEAL_MAX_RESTARTS="3")
    for count in range(1, restarts + 1):
        sick_and_healed(engine, ah, web, count)
    if restarts == 1:
        engine.sicken(web)
        ah.wait_event("quarantine", "web")
    fence(engine, ah)
    assert len(engine.restarts(web)) == restarts


@pytest.mark.first
def test_back_off_grows_by_outcome_not_by_answers(engine, autoheal):
    """The engine says 204 every time and it never helps: each try waits longer, and recovery gets more time."""
    web = engine.add("web", labels=LABEL, heals_after=None, interval=0.1)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF_INITIAL="1", AUTOHEAL_MAX_RESTARTS="0",
                  AUTOHEAL_RECOVERY_TIMEOUT="1")
    engine.sicken(web)
    for count in (1, 2):
        ah.wait_event("restart", "web", count=count, timeout=10)
        engine.sicken(web)
    engine.wait_restart(web, 3, timeout=12)
    first, second = gaps(engine.restarts(web))[:2]
    assert 1.9 < first < 3.2                    # recovery time 1 + back-off 1
    assert 3.8 < second < 5.5                   # recovery time doubled 2 + back-off 2
    assert [e["status"] for e in ah.events("not_recovered", "web")] == ["timeout", "timeout"]


def test_one_flapper_does_not_delay_another(engine, autoheal):
    flapper, web = engine.add("flapper", labels=LABEL), engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="600")
    sick_and_healed(engine, ah, flapper)
    engine.sicken(flapper)
    ah.wait_phase("flapper", "waiting")
    begin = time.monotonic()
    engine.sicken(web)
    assert engine.wait_restart(web).time - begin < 0.5


def test_a_relapse_and_an_exit_are_told(engine, autoheal):
    """Healthy once and sick again within the recovery time; or gone down after the restart: the heal did not help."""
    web, db = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL, heals_after=None)
    ah = autoheal(engine, AUTOHEAL_BACKOFF_INITIAL="600")
    sick_and_healed(engine, ah, web)
    engine.sicken(web)
    assert ah.wait_event("not_recovered", "web")["status"] == "relapsed"
    engine.sicken(db)
    ah.wait_event("restart", "db")
    engine.die(db, 1)
    assert ah.wait_event("not_recovered", "db")["status"] == "exited"


def test_a_container_without_a_healthcheck_is_never_sick(engine, autoheal):
    web = engine.add("web", labels=LABEL, healthcheck=False)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1")
    audits(engine)
    assert ah.container("web")["health"] is None and ah.container("web")["monitored"]
    left_alone(engine, ah, web)


def test_a_dry_run_changes_nothing(engine, autoheal):
    """AUTOHEAL_DRY_RUN decides and reports: nothing but GET requests, and what would have been done is told once."""
    web = engine.add("web", labels=LABEL)
    late = engine.add("late", labels=LABEL, health="unhealthy", streak=3)
    ah = autoheal(engine, AUTOHEAL_DRY_RUN="true", AUTOHEAL_INTERVAL="1", **QUICK)
    engine.sicken(web)
    for name in ("web", "late"):
        assert ah.wait_event("skipped", name)["status"] == "dry_run"
    audits(engine)
    left_alone(engine, ah, web, late)
    assert {r.method for r in engine.log} <= {"GET", "HEAD"}
    assert len(ah.events("skipped", "web")) == 1 and not ah.events("restart")
    assert ah.get("/api/status").json()["dry_run"] is True
    assert ah.log_lines("(?i)dry.?run.*web|web.*dry.?run")


def test_counts_in_a_row_are_forgotten_after_health(engine, autoheal):
    """Back-off is reset once the container has stayed healthy for the recovery time."""
    web = engine.add("web", labels=LABEL, interval=0.1)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF_INITIAL="600", AUTOHEAL_RECOVERY_TIMEOUT="1",
                  AUTOHEAL_MAX_RESTARTS="0")
    sick_and_healed(engine, ah, web)
    time.sleep(1.5)
    begin = time.monotonic()
    engine.sicken(web)
    assert engine.wait_restart(web, 2).time - begin < 0.5

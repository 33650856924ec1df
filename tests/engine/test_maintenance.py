"""What people want through the API: maintenance for all, snooze for one, release from quarantine, a restart by hand."""
import datetime
import re
import shutil
import time

import pytest

import harness

from steps import LABEL, QUICK, TIMESTAMP, left_alone, sick_and_healed

OFF = {"maintenance_mode": False, "maintenance_start_time": None, "until": None}
SICK = {"AUTOHEAL_COOLDOWN": "0", "AUTOHEAL_BACKOFF": "false"}


def moment(seconds):
    """An RFC 3339 time so many seconds from now."""
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return then.strftime("%Y-%m-%dT%H:%M:%S.") + f"{then.microsecond // 1000:03d}Z"


def seconds_until(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() - time.time()


@pytest.fixture
def web(engine):
    return engine.add("web", labels=LABEL)


@pytest.fixture
def ah(engine, web, autoheal):
    return autoheal(engine, **QUICK)


# ---- maintenance

def test_maintenance_holds_everything_and_heals_what_fell_sick_when_it_ends(engine, ah, web):
    """Nothing is acted on, what is skipped is told once, and the end of it brings a fresh look and the heal."""
    assert ah.get("/api/maintenance/status").json() == OFF
    answer = ah.post("/api/maintenance/enable")
    shown = answer.json()
    assert answer.status == 200 and shown["maintenance_mode"] is True and shown["until"] is None
    assert re.fullmatch(TIMESTAMP, shown["maintenance_start_time"])
    assert ah.get("/api/maintenance/status").json() == shown
    status = ah.get("/api/status").json()
    assert status["maintenance_mode"] is True and status["maintenance_start_time"] == shown["maintenance_start_time"]
    begun = ah.wait_event("maintenance")
    assert begun["status"] == "enabled" and begun["message"] and begun["container_id"] == ""

    engine.sicken(web)
    assert ah.wait_event("skipped", "web")["status"] == "maintenance"
    waiting = ah.wait_phase("web", "waiting")
    assert waiting["next_action"]["action"] == "restart" and waiting["next_action"]["at"] is None
    assert waiting["next_action"]["in_seconds"] is None and "maintenance" in waiting["next_action"]["reason"]
    engine.sicken(web)
    left_alone(engine, ah, web)
    assert len(ah.events("skipped", "web")) == 1

    looks = len(engine.requests("GET", f"/containers/{web.id}/json"))
    assert ah.post("/api/maintenance/disable").json() == OFF
    engine.wait_restart(web)
    assert len(engine.requests("GET", f"/containers/{web.id}/json")) > looks
    assert ah.wait_event("recovered", "web")["status"] == "healthy"
    assert [e["status"] for e in ah.events("maintenance")] == ["enabled", "disabled"]
    assert ah.get("/api/status").json()["maintenance_mode"] is False


def test_what_got_well_meanwhile_is_not_restarted(engine, ah, web):
    ah.post("/api/maintenance/enable")
    engine.sicken(web)
    ah.wait_event("skipped", "web")
    engine.set_health(web, "healthy")
    ah.wait_event("skipped", "web", status="recovered")
    ah.post("/api/maintenance/disable")
    left_alone(engine, ah, web)


@pytest.mark.parametrize("how", ["for", "until"])
def test_maintenance_ends_by_itself(engine, ah, web, how):
    begin = time.monotonic()
    shown = ah.post("/api/maintenance/enable", {"for": "2s"} if how == "for" else {"until": moment(2)}).json()
    assert 1 < seconds_until(shown["until"]) <= 2.1
    engine.sicken(web)
    next_action = ah.wait_phase("web", "waiting")["next_action"]
    assert next_action["at"] and next_action["in_seconds"] <= 2
    engine.wait_restart(web)
    assert time.monotonic() - begin > 1.5
    ah.wait_event("maintenance", status="disabled")
    assert ah.get("/api/maintenance/status").json() == OFF
    kinds = [e["event_type"] for e in ah.events() if e["event_type"] in ("maintenance", "restart")]
    ah.wait_event("restart", "web")
    assert kinds in (["maintenance"] * 2, ["maintenance", "maintenance", "restart"])


def test_maintenance_may_be_given_another_end(ah):
    first = ah.post("/api/maintenance/enable", {"for": "1h"}).json()
    second = ah.post("/api/maintenance/enable", {"for": 7200}).json()
    assert second["maintenance_start_time"] == first["maintenance_start_time"]
    assert 7100 < seconds_until(second["until"]) <= 7200
    ah.post("/api/maintenance/enable", {})
    assert ah.get("/api/maintenance/status").json()["until"] is None
    ah.post("/api/maintenance/enable", {})                 # no change, nothing to tell
    assert [e["status"] for e in ah.events("maintenance")] == ["enabled"] * 3
    ah.post("/api/maintenance/disable")
    ah.post("/api/maintenance/disable")
    assert [e["status"] for e in ah.events("maintenance")] == ["enabled"] * 3 + ["disabled"]


def test_a_restart_under_way_goes_on_and_is_verified(engine, web, autoheal):
    ah = autoheal(engine, **QUICK)
    web.stop_seconds = 1
    engine.sicken(web)
    ah.wait_phase("web", "restarting")
    ah.post("/api/maintenance/enable")
    ah.wait_event("recovered", "web")


def test_the_further_try_out_of_quarantine_waits_too(engine, autoheal):
    web = engine.add("web", labels={**LABEL, "autoheal.max.restarts": "1"}, interval=0.1)
    ah = autoheal(engine, **SICK, AUTOHEAL_QUARANTINE_RETRY="1")
    sick_and_healed(engine, ah, web)
    ah.post("/api/maintenance/enable", {"for": "3s"})
    engine.sicken(web)
    ah.wait_event("skipped", "web", status="maintenance")
    ah.post("/api/maintenance/disable")
    ah.wait_event("quarantine", "web")
    ah.post("/api/maintenance/enable", {"for": "2s"})
    begin = time.monotonic()
    assert "maintenance" in ah.container("web")["next_action"]["reason"]
    assert engine.wait_restart(web, 2).time - begin > 1.8


# ---- snooze

def test_a_snoozed_container_waits_and_the_others_do_not(engine, ah, web):
    answer = ah.post("/api/containers/web/snooze", {"for": "2s"})
    assert answer.status == 200 and 1 < seconds_until(answer.json()["until"]) <= 2.1
    assert ah.container("web")["snoozed_until"]
    begin = time.monotonic()
    engine.sicken(web)
    assert ah.wait_event("skipped", "web")["status"] == "snoozed"
    assert "snoozed" in ah.wait_phase("web", "waiting")["next_action"]["reason"]
    other = engine.start_container("other", labels=LABEL)
    ah.wait_event("auto_monitor", "other")
    engine.sicken(other)
    engine.wait_restart(other)
    assert engine.wait_restart(web).time - begin > 1.5
    ah.wait_event("recovered", "web")
    assert ah.container("web")["snoozed_until"] is None


def test_a_snooze_is_ended_by_hand(engine, ah, web):
    until = moment(3600)
    assert ah.post(f"/api/containers/{web.id[:6]}/snooze", {"until": until}).json() == {"until": until}
    engine.sicken(web)
    ah.wait_event("skipped", "web", status="snoozed")
    left_alone(engine, ah, web)
    assert ah.post("/api/containers/web/snooze", {"for": 0}).json() == {"until": None}
    engine.wait_restart(web)


# ---- release from quarantine

def test_a_person_releases_from_quarantine(engine, autoheal):
    """Still sick, it is acted on at once."""
    web = engine.add("web", labels={**LABEL, "autoheal.max.restarts": "1"}, interval=0.1)
    ah = autoheal(engine, **SICK)
    answer = ah.post("/api/containers/web/unquarantine")
    assert answer.status == 409 and "quarantine" in answer.json()["error"]
    sick_and_healed(engine, ah, web)
    engine.sicken(web)
    ah.wait_event("quarantine", "web")
    assert ah.post("/api/containers/web/unquarantine").status == 200
    assert ah.wait_event("unquarantine", "web")["status"] == "released"
    engine.wait_restart(web, 2)
    assert ah.container("web")["quarantined"] is False


# ---- a restart by hand

def test_a_person_restarts_a_container(engine, ah, web):
    """202 with the incident; its outcome is told like any other, and does not count."""
    answer = ah.post("/api/containers/web/restart")
    incident = answer.json()["incident"]
    assert answer.status == 202 and incident
    event = ah.wait_event("restart", "web")
    assert (event["status"], event["reason"], event["incident"], event["restart_count"]) == \
        ("success", "manual", incident, 1)
    recovered = ah.wait_event("recovered", "web")
    assert recovered["incident"] == incident and recovered["duration_ms"] >= 0
    assert len(engine.restarts(web)) == 1 and ah.container("web")["restart_count"] == 1


def test_restarts_by_hand_do_not_count_for_quarantine(engine, autoheal):
    web = engine.add("web", labels={**LABEL, "autoheal.max.restarts": "1"}, interval=0.1)
    ah = autoheal(engine, **SICK)
    for count in (1, 2, 3):
        assert ah.post("/api/containers/web/restart").status == 202
        ah.wait_event("recovered", "web", count=count)
    sick_and_healed(engine, ah, web, 4)
    assert not ah.events("quarantine")


def test_a_restart_by_hand_while_one_is_under_way(engine, ah, web):
    web.stop_seconds = 1
    assert ah.post("/api/containers/web/restart").status == 202
    answer = ah.post("/api/containers/web/restart")
    assert answer.status == 409 and "under way" in answer.json()["error"]
    ah.wait_event("recovered", "web")
    assert len(engine.restarts(web)) == 1


def test_what_a_person_stopped_may_be_restarted_by_hand(engine, ah, web):
    engine.stop_by_person(web)
    ah.wait_phase("web", "hands_off")
    assert ah.post("/api/containers/web/restart").status == 202
    ah.wait_event("recovered", "web")
    assert web.state == "running"


def test_when_a_restart_by_hand_is_refused(engine, autoheal, web):
    engine.add("plain")
    ah = autoheal(engine, **QUICK)
    assert ah.post("/api/containers/plain/restart").status == 409
    ah.post("/api/maintenance/enable")
    answer = ah.post("/api/containers/web/restart")
    assert answer.status == 409 and "maintenance" in answer.json()["error"]
    assert not engine.posts()


def test_a_dry_run_restarts_nothing_by_hand(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_DRY_RUN="true")
    answer = ah.post("/api/containers/web/restart")
    assert answer.status == 409 and "AUTOHEAL_DRY_RUN" in answer.json()["error"] and not engine.posts()


# ---- forms

CALLS = [("/api/containers/web/restart", None), ("/api/containers/web/unquarantine", None),
         ("/api/containers/web/snooze", {"for": "1h"}), ("/api/maintenance/enable", None),
         ("/api/maintenance/disable", None)]


@pytest.mark.parametrize("path,body", CALLS)
def test_changes_need_the_token(ah, path, body):
    for token in (False, "wrong"):
        answer = ah.post(path, body, token=token)
        assert answer.status == 401 and answer.headers["www-authenticate"]
    wrong = ah.get(path)
    assert wrong.status == 405 and wrong.headers["allow"] == "POST"
    assert ah.delete(path).status == 405
    assert ah.post(path, b"{}", headers={"Content-Type": "text/plain"}).status == 415
    assert ah.post(path, b"{", headers={"Content-Type": "application/json"}).status == 400
    assert not ah.events("maintenance") and ah.container("web")["snoozed_until"] is None


def test_without_a_configured_token(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_API_TOKEN=None)
    for path, body in CALLS:
        answer = ah.post(path, body, token=False)
        assert answer.status == 403 and "AUTOHEAL_API_TOKEN" in answer.json()["error"]


def test_names_of_one_container(engine, autoheal):
    engine.add("one", labels=LABEL, id="abcdef" + "1" * 58)
    engine.add("two", labels={**LABEL, "monitoring.id": "my app/snooze"}, id="abcdef" + "2" * 58)
    ah = autoheal(engine)
    for call, body in (("restart", None), ("unquarantine", None), ("snooze", {"for": "1h"})):
        assert ah.post(f"/api/containers/nope/{call}", body).status == 404
        answer = ah.post(f"/api/containers/abcdef/{call}", body)
        assert answer.status == 409 and "one" in answer.json()["error"] and "two" in answer.json()["error"]
    assert ah.post("/api/containers/my%20app%2Fsnooze/snooze", {"for": "1h"}).status == 200
    assert ah.container("two")["snoozed_until"] and not ah.container("one")["snoozed_until"]
    assert ah.get("/api/maintenance/status", token=False).status == 200
    assert ah.post("/api/maintenance/status").headers["allow"] == "GET, HEAD"


BAD = [({}, "for"), ({"for": "soon"}, "for"), ({"for": None}, "for"), ({"for": -1}, "for"), ({"for": True}, "for"),
       ({"until": "tomorrow"}, "until"), ({"until": moment(-60)}, "until"), ({"until": moment(4e8)}, "until"),
       ({"until": 5}, "until"), ({"for": "1h", "until": moment(60)}, "until"), ({"fro": "1h"}, "fro"), ([], None)]


@pytest.mark.parametrize("body,member", BAD, ids=[str(b) for b, _ in BAD])
def test_a_time_that_makes_no_sense_is_422(ah, body, member):
    """Named by its member; nothing is half-applied."""
    answer = ah.post("/api/containers/web/snooze", body)
    assert answer.status == 422 and answer.json()["error"] and answer.json().get("member") == member
    if body:
        assert ah.post("/api/maintenance/enable", body).status == 422
    assert ah.get("/api/maintenance/status").json() == OFF
    assert ah.post("/api/maintenance/enable", {"for": 0}).status == 422


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare")
def test_never_its_own_container_by_hand(engine, autoheal):
    me = engine.add("autoheal", labels=LABEL)
    ah = autoheal(engine, wrapper=["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', me.short_id])
    harness.wait(lambda: not ah.container("autoheal")["monitored"], what="it to know itself")
    answer = ah.post("/api/containers/autoheal/restart")
    assert answer.status == 409 and "own" in answer.json()["error"] and not engine.posts()

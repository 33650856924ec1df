"""Podman behind the same API: its words, its order of events, and what it leaves out, against a scripted one."""
import json
import time

import pytest

import harness
from steps import LABEL, QUICK, audits, fence, healed, left_alone, sick_and_healed

# 4.3.1 is Debian 12's; since 2026 it says 1.44; one day the members of before API 1.52 go.
VERSIONS = [("4.3.1", "1.41"), ("5.8.0", "1.44"), ("6.0.0", "1.52")]


@pytest.fixture
def podman(make_engine):
    return make_engine(flavour="podman", version="4.3.1", api="1.41")


def inspects(podman, container):
    return podman.requests("GET", f"^/containers/({container.id}|{container.name})/json$")


def reconnected(podman, ah, count=2):
    stream = podman.wait_request("GET", "^/events$", count, timeout=15)
    harness.wait(lambda: [r for r in podman.requests("GET", "^/containers/json$") if r.time > stream.time and r.answered],
                 what="a list after the reconnect")
    ah.wait_ready()
    return stream


@pytest.mark.parametrize("version,api", VERSIONS)
def test_podman_is_known_and_healed(make_engine, autoheal, version, api):
    """Known by its header Libpod-Api-Version; its action is a bare `health_status`, the value stands beside; it is asked
    before anything is done."""
    podman = make_engine(flavour="podman", version=version, api=api, strange=True)
    web = podman.add("web", labels=LABEL)
    ah = autoheal(podman)
    fence(podman, ah)
    podman.forget_requests()
    podman.sicken(web)
    event = json.loads(podman.event_json(podman.ring[-1], (1, int(api[2:]))))
    assert event["Action"] == "health_status" and event["HealthStatus"] == "unhealthy"
    assert ("status" in event) is (api != "1.52")
    healed(podman, ah, web)
    asked = podman.restarts(web)[0]
    assert [r for r in inspects(podman, web) if r.time < asked.time]
    shown = ah.get("/api/status").json()["engines"][0]
    assert (shown["engine"].lower(), shown["version"], shown["api_version"]) == ("podman", version, api)


def test_any_api_version_is_welcome(podman, autoheal):
    """Podman takes every prefix, so even a pinned one that it does not know works."""
    web = podman.add("web", labels=LABEL)
    ah = autoheal(podman, DOCKER_API_VERSION="1.99")
    sick_and_healed(podman, ah, web)
    assert {r.version for r in podman.posts()} == {"1.99"}


def test_podman_sends_one_event_per_probe(podman, autoheal):
    """A hundred 'unhealthy' in a row are one illness."""
    web = podman.add("web", labels=LABEL, stop_seconds=0.3)
    ah = autoheal(podman)
    for _ in range(100):
        podman.sicken(web)
    healed(podman, ah, web)
    for _ in range(100):
        podman.set_health(web, "healthy")
    fence(podman, ah)
    assert len(podman.restarts(web)) == 1
    assert len(ah.events("restart", "web")) == len(ah.events("recovered", "web")) == 1


def test_podmans_word_is_not_believed(podman, autoheal):
    """HealthStatus lags behind: 'unhealthy' while inspect says healthy is no proof, and the reverse is no health."""
    web, db = podman.add("web", labels=LABEL), podman.add("db", labels=LABEL)
    ah = autoheal(podman)
    podman.set_health(web, "healthy", told="unhealthy")
    left_alone(podman, ah, web)
    podman.set_health(db, "unhealthy", told="healthy")
    podman.set_health(db, "unhealthy", told="unhealthy")
    healed(podman, ah, db)


def test_a_streak_that_a_restart_does_not_end(podman, autoheal):
    """Podman goes on counting over a restart: `starting` with a failing streak is no illness."""
    web = podman.add("web", labels=LABEL, heals_after=None)
    ah = autoheal(podman, AUTOHEAL_INTERVAL="1", **QUICK)
    podman.sicken(web)
    podman.wait_restart(web)
    ah.wait_event("restart", "web", status="success")
    assert web.streak == 3 and web.health == "starting"
    audits(podman)
    assert len(podman.restarts(web)) == 1
    podman.set_health(web, "healthy", told="starting")  # it lags
    ah.wait_event("recovered", "web")                   # told by an audit


# ---- a list without a word on health

def test_without_any_event_it_is_healed_by_the_audit(podman, autoheal):
    """healthcheck_events=false: neither the stream nor the list say anything, so the audit asks."""
    web = podman.add("web", labels=LABEL)
    ah = autoheal(podman, AUTOHEAL_INTERVAL="1", **QUICK)
    for count in (1, 2):
        podman.set_health(web, "unhealthy", event=False)
        podman.wait_restart(web, count)
        podman.set_health(web, "healthy", event=False)
        ah.wait_event("recovered", "web", count=count)
    assert not [e for e in podman.ring if e["action"] == "health_status" and e["health"] == "unhealthy"]


def test_sick_before_autoheal_came(podman, autoheal):
    """The first list asks for all, however many there are."""
    many = [podman.add(f"c{i}", labels=LABEL) for i in range(40)]
    podman.set_health(many[33], "unhealthy", event=False)
    ah = autoheal(podman)
    healed(podman, ah, many[33])
    harness.wait(lambda: all(inspects(podman, c) for c in many), what="an inspect of each")
    assert len(podman.posts()) == 1


def test_an_audit_asks_for_ten_in_turn(podman, autoheal):
    """Of those that seem well ten are asked for in each audit, so that all have their turn, and what has no healthcheck
    is asked for once."""
    many = [podman.add(f"c{i}", labels=LABEL) for i in range(25)]
    plain = podman.add("plain", labels=LABEL, healthcheck=False)
    autoheal(podman, AUTOHEAL_INTERVAL="1")
    harness.wait(lambda: all(inspects(podman, c) for c in [*many, plain]), what="an inspect of each")
    podman.forget_requests()
    lists = [podman.wait_request("GET", "^/containers/json$", n, timeout=10) for n in range(1, 6)]
    asked = [r for r in podman.log if r.path.endswith("/json") and lists[0].time < r.time < lists[4].time]
    rounds = [len([r for r in asked if a.time < r.time < b.time and r.path != "/containers/json"])
              for a, b in zip(lists, lists[1:])]
    assert rounds == [10] * 4
    assert all(inspects(podman, c) for c in many)
    assert not inspects(podman, plain)


def test_docker_is_not_asked_about_what_has_no_health(engine, autoheal):
    """Its list says so: an audit there is one request."""
    for i in range(5):
        engine.add(f"c{i}", labels=LABEL, healthcheck=False)
    autoheal(engine, AUTOHEAL_INTERVAL="1")
    engine.forget_requests()
    engine.wait_request("GET", "^/containers/json$", 3, timeout=10)
    assert {r.path for r in engine.log} == {"/containers/json"}


# ---- the restart and its stop timeout

def test_the_containers_own_stop_timeout_holds(podman, autoheal):
    """Without t Podman kills at once (podman#29276), so it is told what the container itself wants."""
    web, db = podman.add("web", labels=LABEL, stop_timeout=7), podman.add("db", labels=LABEL, stop_seconds=0.5)
    ah = autoheal(podman)
    podman.sicken(web, db)
    healed(podman, ah, web)
    healed(podman, ah, db)
    assert podman.restarts(web)[0].query == {"t": "7"}
    assert podman.restarts(db)[0].query == {"t": "10"}              # its default
    exits = [e["attributes"]["exitCode"] for e in podman.ring if e["action"] == "die" and e["id"] == db.id]
    assert exits == ["143"], "it was killed before its time"


@pytest.mark.parametrize("asked,sent", [("0", "0"), ("3", "3"), ("-1", "2147483647")])
def test_a_labels_stop_timeout(podman, autoheal, asked, sent):
    """-1 is for ever. Podman answers 400 to it, and gets the longest time that it understands."""
    web = podman.add("web", labels={**LABEL, "autoheal.stop.timeout": asked}, stop_timeout=7)
    ah = autoheal(podman)
    sick_and_healed(podman, ah, web)
    assert [r.query for r in podman.restarts(web)] == [{"t": sent}]


def test_docker_gets_its_own_for_ever(engine, autoheal):
    web = engine.add("web", labels={**LABEL, "autoheal.stop.timeout": "-1"})
    ah = autoheal(engine)
    sick_and_healed(engine, ah, web)
    assert [r.query for r in engine.restarts(web)] == [{"t": "-1"}]


# ---- what people do

@pytest.mark.parametrize("tells_stop", [True, False])
def test_podmans_restart_is_not_a_persons_stop(podman, autoheal, tells_stop):
    """restart, stop (not everywhere), die, init, start: no kill among them. Sick later, it is healed again."""
    podman.tells_stop = tells_stop
    web = podman.add("web", labels=LABEL)
    ah = autoheal(podman, **QUICK)
    sick_and_healed(podman, ah, web)
    sick_and_healed(podman, ah, web, count=2)
    podman.stop_by_person(web)
    fence(podman, ah)
    seen = ah.container("web")
    assert seen["phase"] == ("hands_off" if tells_stop else "watching") and seen["status"] == "exited"


@pytest.mark.parametrize("tells_stop", [True, False])
def test_a_persons_stop_is_respected(podman, autoheal, tells_stop):
    """Sick, stopped by a person, and told of by a last word of a probe: not revived, over audits; started, it is watched
    as before. A stop on Podman has no kill, and here and there no `stop`: its `die` alone has to do."""
    podman.tells_stop = tells_stop
    web = podman.add("web", labels=LABEL)
    ah = autoheal(podman, AUTOHEAL_INTERVAL="1", **QUICK)
    podman.stop_by_person(web)
    podman.event("health_status", web, health="unhealthy")
    audits(podman)
    left_alone(podman, ah, web)
    podman.start_by_person(web)
    sick_and_healed(podman, ah, web)


@pytest.mark.parametrize("tells_stop", [True, False])
def test_a_stop_while_a_heal_waits(podman, autoheal, tells_stop):
    """In the cooldown after a heal it falls sick again, and a person stops it: the heal that waits is off."""
    podman.tells_stop = tells_stop
    web = podman.add("web", labels=LABEL)
    ah = autoheal(podman, AUTOHEAL_COOLDOWN="2", AUTOHEAL_BACKOFF="false")
    sick_and_healed(podman, ah, web)
    podman.sicken(web)
    ah.wait_phase("web", "waiting")
    podman.stop_by_person(web)
    skipped = ah.wait_event("skipped", "web")
    assert skipped["status"] == "stopped"
    past = time.monotonic() + 2.2
    harness.wait(lambda: time.monotonic() > past, what="the end of the cooldown")
    fence(podman, ah)
    assert len(podman.restarts(web)) == 1


def test_an_exit_and_a_removal_are_heard_of(podman, autoheal):
    """Podman filters by its own words `died` and `remove`, and writes the one as `die`: both must be asked for."""
    gone = podman.add("gone", labels=LABEL)
    ah = autoheal(podman)
    fence(podman, ah)
    before = ah.get("/api/status").json()["monitored_containers"]
    podman.destroy(gone)
    harness.wait(lambda: ah.get("/api/status").json()["monitored_containers"] == before - 1, what="its end to be known")
    asked = podman.wait_stream().filters["event"]
    assert {"die", "died", "destroy", "remove"} <= set(asked)
    assert podman.requests("GET", "^/containers/json$")[1:] == [], "told by a list, not by the stream"


def test_a_paused_one_is_left_alone(podman, autoheal):
    web = podman.add("web", labels=LABEL)
    ah = autoheal(podman, AUTOHEAL_INTERVAL="1", **QUICK)
    podman.pause(web)
    podman.event("health_status", web, health="unhealthy")
    audits(podman)
    left_alone(podman, ah, web)
    podman.unpause(web)
    sick_and_healed(podman, ah, web)


# ---- a cut

def test_after_a_cut_nothing_is_done_twice(podman, autoheal):
    """With `since` Podman reads its log from the start: what was seen is not seen again, though nothing was forgotten."""
    web = podman.add("web", labels=LABEL)
    ah = autoheal(podman, **QUICK)
    for _ in range(300):                        # more than Docker would remember
        podman.set_health(web, "healthy")
    sick_and_healed(podman, ah, web)
    for count in range(2, 5):
        podman.drop_streams()
        stream = reconnected(podman, ah, count)
        assert "since" in stream.query
    left_alone_since = len(podman.restarts(web))
    fence(podman, ah)
    assert left_alone_since == len(podman.restarts(web)) == 1
    assert len(ah.events("restart", "web")) == len(ah.events("recovered", "web")) == 1
    assert len(ah.events("auto_monitor", "web")) == 1


def test_what_a_cut_hid_is_found(podman, autoheal):
    """Sick in the gap, with and without an event; a start and a stop in it."""
    told, untold = podman.add("told", labels=LABEL), podman.add("untold", labels=LABEL)
    stopped = podman.add("stopped", labels=LABEL)
    ah = autoheal(podman)
    fence(podman, ah)
    podman.stop()
    ah.wait_log("lost")
    podman.sicken(told)
    podman.set_health(untold, "unhealthy", event=False)
    podman.stop_by_person(stopped)
    podman.start_container("new", labels=LABEL)
    podman.start()
    ah.wait_event("auto_monitor", "new", timeout=10)
    healed(podman, ah, told, timeout=10)
    healed(podman, ah, untold, timeout=10)
    left_alone(podman, ah, stopped)


def test_its_own_form_of_an_error(podman, autoheal):
    """cause, message, response: a person reads the message, and the heal is tried again."""
    web = podman.add("web", labels=LABEL)
    ah = autoheal(podman, **QUICK)
    podman.fault("POST", "/restart", status=500, times=1, body={
        "cause": "container state improper", "message": "unable to restart: container state improper", "response": 500})
    podman.sicken(web)
    failed = ah.wait_event("restart", "web", status="failure")
    assert "container state improper" in failed["message"]
    ah.wait_event("recovered", "web")

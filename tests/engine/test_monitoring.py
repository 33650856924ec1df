"""Who is watched, and how that is told (auto-monitoring)."""
import re

import pytest

from steps import LABEL, QUICK, TIMESTAMP, audits, compose, fence, left_alone, sick_and_healed

ENABLED = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - monitor - INFO - ✓ Auto-monitoring enabled for container " \
          r"'%s' \(%s\) - detected autoheal=true label$"
SKIPPED = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - monitor - INFO - Container '%s' \(%s\) has autoheal=true " \
          r"but is in excluded list, skipping$"


def test_a_labelled_container_is_found_by_the_first_list(engine, autoheal):
    """A container that ran before autoheal came gets the same event and line as one that starts later."""
    app = engine.add("my-app", labels=LABEL)
    ah = autoheal(engine)
    event = ah.wait_event("auto_monitor", "my-app")
    assert re.fullmatch(TIMESTAMP, event["timestamp"])
    assert {k: event[k] for k in ("container_id", "container_name", "event_type", "restart_count", "status", "message")} == {
        "container_id": app.id, "container_name": "my-app", "event_type": "auto_monitor", "restart_count": 0,
        "status": "enabled", "message": "Automatically added to monitoring due to autoheal=true label"}
    assert event["seq"] > 0 and event["host"] == "local"
    ah.wait_log(ENABLED % ("my-app", app.short_id))
    ah.wait_log(r"^.{19} - monitor - INFO - Event listener started for auto-monitoring containers with autoheal=true label$")
    containers = ah.get("/api/config").json()["containers"]
    assert containers["selected"] == ["my-app"] and containers["selected_by"] == {"my-app": "label"}


def test_a_labelled_container_is_picked_up_when_it_starts(engine, autoheal):
    ah = autoheal(engine, AUTOHEAL_LOG_LEVEL="DEBUG")
    app = engine.start_container("my-app", labels=LABEL)
    assert ah.wait_event("auto_monitor", "my-app")["container_id"] == app.id
    ah.wait_log(ENABLED % ("my-app", app.short_id))
    ah.wait_log(r" - monitor - DEBUG - Container start event detected: my-app \(%s\)$" % app.short_id)
    sick_and_healed(engine, ah, app)


def test_the_stream_is_opened_before_the_list_is_asked(engine, autoheal):
    """A container that starts between list and stream would be seen by neither."""
    autoheal(engine)
    paths = [r.path for r in engine.requests("GET")]
    assert paths.index("/events") < paths.index("/containers/json")


def test_nothing_is_asked_while_the_stream_is_not_answered(engine, autoheal):
    """The list counts only when the stream stands: a slow answer to /events must come first."""
    engine.fault("GET", "/events", before=0.5)
    autoheal(engine)
    stream = engine.requests("GET", "/events")[0]
    listed = engine.requests("GET", "^/containers/json$")[0]
    assert listed.time >= stream.time + 0.45


@pytest.mark.parametrize("labels", [{}, {"autoheal": "True"}, {"autoheal": "TRUE"}, {"autoheal": "yes"},
                                    {"autoheal": "1"}, {"autoheal": ""}, {"Autoheal": "true"}, {"autoheal": " true"},
                                    {"autoheal": "false"}, {"autoheal": "true", "autoheal.monitor.enable": "false"}])
def test_without_the_exact_label_it_is_silent_and_leaves_alone(engine, autoheal, labels):
    """The label is exact and case sensitive; a stranger's container is neither touched nor mentioned as watched."""
    old = engine.add("stranger", labels=labels)
    ah = autoheal(engine)
    new = engine.start_container("newcomer", labels=labels)
    fence(engine, ah)
    assert {e["container_name"] for e in ah.events("auto_monitor")} & {"stranger", "newcomer"} == set()
    assert not ah.log_lines("Auto-monitoring enabled for container '(stranger|newcomer)'")
    assert not ah.container("stranger")["monitored"] and ah.container("stranger")["phase"] == "unwatched"
    assert ah.container("newcomer")["reason"]
    engine.sicken(old, new)
    left_alone(engine, ah, old, new)


def test_an_excluded_name_is_skipped_and_said_so(engine, autoheal):
    """AUTOHEAL_EXCLUDE beats the label, for names and glob patterns, at the list and at a start."""
    old, plain = engine.add("db-main", labels=LABEL), engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_EXCLUDE="db-*,cache")
    ah.wait_log(SKIPPED % ("db-main", old.short_id))
    new = engine.start_container("cache", labels=LABEL)
    ah.wait_log(SKIPPED % ("cache", new.short_id))
    engine.sicken(old, new)
    left_alone(engine, ah, old, new)
    assert [e["container_name"] for e in ah.events("auto_monitor")][:1] == ["web"]
    assert not ah.events("auto_monitor", "cache")
    sick_and_healed(engine, ah, plain)
    assert ah.get("/api/config").json()["filters"]["blacklist_names"] == ["db-*", "cache"]


def test_excluded_through_the_api_it_is_skipped_at_its_next_start(engine, autoheal):
    app = engine.add("my-app", labels=LABEL)
    ah = autoheal(engine)
    answer = ah.post("/api/containers/select", {"container_ids": ["my-app"], "enabled": False})
    assert (answer.status, answer.json()) == (200, {"selected": [], "excluded": ["my-app"], "unknown": []})
    assert ah.wait_event("selection", "my-app")["status"] == "excluded"
    assert ah.get("/api/config").json()["containers"]["excluded"] == ["my-app"]
    engine.stop_by_person(app)
    engine.start_by_person(app)
    ah.wait_log(SKIPPED % ("my-app", app.short_id))
    engine.sicken(app)
    left_alone(engine, ah, app)
    assert len(ah.events("auto_monitor", "my-app")) == 1
    back = ah.post("/api/containers/select", {"container_ids": ["my-app"], "enabled": True})
    assert back.json() == {"selected": ["my-app"], "excluded": [], "unknown": []}
    assert ah.get("/api/config").json()["containers"]["excluded"] == []
    engine.wait_restart(app)


def test_a_container_is_announced_only_once(engine, autoheal):
    """Starts, restarts and lists of a container already selected say nothing more."""
    app = engine.add("my-app", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1")
    for _ in range(3):
        engine.restart_by_person(app)
    engine.event("start", app)
    engine.drop_streams()
    engine.wait_request("GET", "^/containers/json$", count=4, timeout=8)
    fence(engine, ah)
    assert len(ah.events("auto_monitor", "my-app")) == 1
    assert len(ah.log_lines("Auto-monitoring enabled for container 'my-app'")) == 1


def test_a_recreated_container_keeps_its_identity_and_its_counts(engine, autoheal):
    """docker compose up --force-recreate: a new id under the same name and service."""
    app = engine.add("shop-web-1", labels=compose("shop", "web"))
    ah = autoheal(engine, **QUICK)
    assert ah.container("shop-web-1")["stable_id"] == "shop_web"
    sick_and_healed(engine, ah, app)
    engine.destroy(app)
    new = engine.start_container("shop-web-1", labels=compose("shop", "web"))
    fence(engine, ah)
    assert ah.container("shop_web")["full_id"] == new.id
    assert len(ah.events("auto_monitor", "shop-web-1")) == 1
    engine.sicken(new)
    engine.wait_restart(new)
    assert ah.wait_event("restart", "shop-web-1", count=2)["restart_count"] == 2
    assert ah.get("/api/config").json()["containers"]["restart_counts"] == {"shop_web": 2}


def test_replicas_have_fates_of_their_own(engine, autoheal):
    """Scaled services share a service name: their counts must not."""
    one = engine.add("shop-web-1", labels=compose("shop", "web", 1))
    two = engine.add("shop-web-2", labels=compose("shop", "web", 2))
    ah = autoheal(engine)
    assert {e["container_name"] for e in ah.events("auto_monitor")} == {"shop-web-1", "shop-web-2"}
    assert ah.container("shop-web-2")["stable_id"] == "shop_web_2"
    sick_and_healed(engine, ah, two)
    assert (ah.container("shop-web-1")["restart_count"], ah.container("shop-web-2")["restart_count"]) == (0, 1)
    assert sick_and_healed(engine, ah, one)["restart_count"] == 1


def test_monitoring_id_names_the_identity(engine, autoheal):
    engine.add("web", labels={**compose("shop", "web"), "monitoring.id": "front"})
    ah = autoheal(engine)
    assert ah.container("front")["name"] == "web"
    assert ah.get("/api/config").json()["containers"]["selected"] == ["front"]


@pytest.mark.parametrize("listed", [["older", "younger"], ["younger", "older"]])
def test_two_living_containers_cannot_share_one_identity(engine, autoheal, listed):
    """The older keeps it, the other goes by its name, with a warning, and with counts of its own."""
    for name in listed:
        engine.add(name, labels={**LABEL, "monitoring.id": "app"}, up=600 if name == "older" else 60)
    ah = autoheal(engine)
    assert ah.container("older")["stable_id"] == "app"
    assert ah.container("younger")["stable_id"] == "younger"
    ah.wait_log("WARNING.*younger")
    engine.sicken(next(c for c in engine.containers.values() if c.name == "younger"))
    ah.wait_event("recovered", "younger")
    assert ah.get("/api/config").json()["containers"]["restart_counts"] == {"younger": 1}


def test_labels_that_cannot_be_read_are_named_once_and_the_default_holds(engine, autoheal):
    labels = {**LABEL, "autoheal.cooldown": "soon", "autoheal.max.restarts": "-1", "autoheal.unhealthy.for": "1m30"}
    web = engine.add("web", labels=labels)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="600", AUTOHEAL_INTERVAL="1")
    for label in ("cooldown=soon", "max.restarts=-1", "unhealthy.for=1m30"):
        ah.wait_log(f"WARNING.*'web'.*autoheal.{label}")
    engine.sicken(web)
    ah.wait_event("recovered", "web")  # at once
    engine.sicken(web)
    assert ah.wait_phase("web", "waiting")["next_action"]["in_seconds"] > 500
    audits(engine)
    assert len(ah.log_lines("does not understand")) == 3


def test_a_container_gone_before_it_could_be_inspected_is_a_warning(engine, autoheal):
    """docker run --rm of a moment: the start event is read when inspect already says 404."""
    ah = autoheal(engine)
    with engine.lock:
        ghost = engine.start_container("ghost", labels=LABEL)
        del engine.containers[ghost.id]
    ah.wait_log("WARNING.*ghost")
    fence(engine, ah)


def test_a_selection_by_label_ends_when_the_container_comes_back_without_it(engine, autoheal):
    app = engine.add("my-app", labels=LABEL)
    ah = autoheal(engine)
    engine.destroy(app)
    plain = engine.start_container("my-app")
    assert ah.wait_event("selection", "my-app")["status"] == "ended"
    assert ah.get("/api/config").json()["containers"]["selected"] == []
    engine.sicken(plain)
    left_alone(engine, ah, plain)
    engine.destroy(plain)
    engine.start_container("my-app", labels=LABEL)
    ah.wait_event("auto_monitor", "my-app", count=2)


@pytest.mark.long
def test_a_selection_by_label_ends_a_minute_after_the_destruction(engine, autoheal):
    app = engine.add("my-app", labels=LABEL)
    ah = autoheal(engine)
    engine.destroy(app)
    fence(engine, ah)
    assert "my-app" in ah.get("/api/config").json()["containers"]["selected"]
    assert ah.wait_event("selection", "my-app", timeout=70)["status"] == "ended"
    assert "my-app" not in ah.get("/api/config").json()["containers"]["selected"]


def test_a_persons_selection_stays_through_a_recreate(engine, autoheal):
    """What a person chose needs no label, and a recreate does not end it."""
    app = engine.add("plain")
    ah = autoheal(engine, **QUICK)
    answer = ah.post("/api/containers/select", {"container_ids": [app.id[:12]], "enabled": True})
    assert answer.json() == {"selected": ["plain"], "excluded": [], "unknown": []}
    assert ah.wait_event("selection", "plain")["status"] == "selected"
    sick_and_healed(engine, ah, app)
    engine.destroy(app)
    new = engine.start_container("plain")
    fence(engine, ah)
    engine.sicken(new)
    engine.wait_restart(new)
    assert ah.get("/api/config").json()["containers"]["selected_by"]["plain"] == "person"


ONE_OFF = compose("shop", "migrate", **{"com.docker.compose.oneoff": "True"})
TASK = {**LABEL, "com.docker.swarm.task.id": "abc", "com.docker.swarm.service.name": "web"}


@pytest.mark.parametrize("labels,settings,watched", [
    (ONE_OFF, {}, False),
    (TASK, {}, False),
    (TASK, {"AUTOHEAL_SWARM_TASKS": "true"}, True),
    (compose("shop", "web"), {"AUTOHEAL_PROJECT": "shop,blog"}, True),
    (compose("other", "web"), {"AUTOHEAL_PROJECT": "shop,blog"}, False),
    (LABEL, {"AUTOHEAL_PROJECT": "shop"}, False),
    ({}, {"AUTOHEAL_INCLUDE": "x,vic*"}, True),
    ({}, {"AUTOHEAL_INCLUDE": "victor"}, False),
    ({"autoheal": "false"}, {"AUTOHEAL_INCLUDE": "victim"}, False),
    (LABEL, {"AUTOHEAL_INCLUDE": "victim", "AUTOHEAL_EXCLUDE": "victim"}, False),
    ({}, {"AUTOHEAL_CONTAINER_LABEL": "all"}, True),
    ({"autoheal": "false"}, {"AUTOHEAL_CONTAINER_LABEL": "all"}, False),
    (ONE_OFF, {"AUTOHEAL_CONTAINER_LABEL": "all"}, False),
    (compose("other", "web"), {"AUTOHEAL_CONTAINER_LABEL": "all", "AUTOHEAL_PROJECT": "shop"}, False),
    ({"heal.me": "please"}, {"AUTOHEAL_CONTAINER_LABEL": "heal.me", "AUTOHEAL_LABEL_VALUE": "please"}, True),
    (LABEL, {"AUTOHEAL_CONTAINER_LABEL": "heal.me"}, False),
])
def test_who_is_watched(engine, autoheal, labels, settings, watched):
    """One-offs, Swarm tasks, project scope, INCLUDE, EXCLUDE, label `all`: the first rule that matches decides."""
    victim = engine.add("victim", labels=labels)
    mark = {**compose("shop", "mark"), "heal.me": settings.get("AUTOHEAL_LABEL_VALUE", "true")}
    beacon = engine.add("beacon", labels=mark)
    ah = autoheal(engine, **settings)
    shown = ah.container("victim")
    assert shown["monitored"] is watched and shown["reason"]
    engine.batch(("health_status: unhealthy", victim), ("health_status: unhealthy", beacon))
    victim.health = beacon.health = "unhealthy"
    victim.streak = beacon.streak = 3
    engine.wait_restart(beacon)
    if watched:
        engine.wait_restart(victim)
    else:
        assert not engine.restarts(victim)

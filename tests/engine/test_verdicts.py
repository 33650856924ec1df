"""An outside monitor's word on a container: in a form of our own, and as Uptime Kuma and Alertmanager send it."""
import json

import pytest

import harness
from steps import LABEL, QUICK, fence, left_alone
from test_incidents import closed

VERDICTS = "/api/verdicts"
TYPE = {"Content-Type": "application/json"}


def kuma(status, name="web", msg="connect ECONNREFUSED 172.18.0.5:80"):
    """What its notification of type Webhook sends with the body application/json."""
    word = {0: "🔴 Down", 1: "✅ Up"}.get(status, "?")
    return {"heartbeat": {"monitorID": 10, "status": status, "time": "2025-10-30 12:35:23.123", "msg": msg, "ping": None,
                          "important": True, "duration": 60, "retries": 3, "timezone": "Europe/Berlin",
                          "timezoneOffset": "+01:00", "localDateTime": "2025-10-30 13:35:23"},
            "monitor": {"id": 10, "name": name, "description": None, "pathName": f"Shop / {name}", "parent": 4,
                        "childrenIDs": [], "url": "https://shop.example.com/health", "method": "GET", "hostname": None,
                        "port": None, "maxretries": 3, "weight": 2000, "active": True, "type": "http", "timeout": 48,
                        "interval": 60, "resendInterval": 5, "keyword": None, "accepted_statuscodes": ["200-299"],
                        "docker_container": "", "docker_host": None, "notificationIDList": {"2": True},
                        "tags": [{"name": "shop", "value": ""}], "maintenance": False, "conditions": [], "body": None},
            "msg": f"[{name}] [{word}] {msg}"}


KUMA_TEST = {"heartbeat": None, "monitor": None, "msg": "autoheal Testing"}


def alert(status, container="web", summary="Blackbox probe failed", **labels):
    labels = {"alertname": "ProbeFailed", "instance": "https://shop.example.com", "job": "blackbox", **labels}
    if container is not None:
        labels["container"] = container
    return {"status": status, "labels": labels, "annotations": {"summary": summary} if summary else {},
            "startsAt": "2025-10-30T12:35:23.789Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus:9090/graph?g0.expr=probe_success+%3D%3D+0\u0026g0.tab=1",
            "fingerprint": "1a30ba71cca2921f"}


def alertmanager(*alerts):
    """Its webhook's body, version 4."""
    return {"receiver": "autoheal", "status": "firing", "alerts": list(alerts), "groupLabels": {"container": "web"},
            "commonLabels": {"job": "blackbox"}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093",
            "version": "4", "groupKey": "{}:{container=\"web\"}", "truncatedAlerts": 0}


def own(status, container="web", **more):
    return {"container": container, "status": status, **more}


FORMS = {"own": (own("down", reason="the shop answers 502"), own("up")), "kuma": (kuma(0), kuma(1, msg="200 - OK")),
         "alertmanager": (alertmanager(alert("firing")), alertmanager(alert("resolved")))}
SAID = {"own": "the shop answers 502", "kuma": "connect ECONNREFUSED 172.18.0.5:80",
        "alertmanager": "ProbeFailed: Blackbox probe failed"}


def heard(ah, body, matched=("web",), ignored=()):
    answer = ah.post(VERDICTS, body)
    assert answer.status == 202, answer
    assert (answer.json()["matched"], answer.json()["ignored"]) == (list(matched), list(ignored))
    return answer.json()


@pytest.fixture
def web(engine):
    """It has no healthcheck: nobody but the outside monitor knows how it is."""
    return engine.add("web", labels=LABEL, healthcheck=False)


@pytest.fixture
def ah(engine, web, autoheal):
    return autoheal(engine, **QUICK)


# ---- what it leads to

@pytest.mark.parametrize("form", FORMS)
def test_down_heals_and_up_ends_it(engine, ah, web, form):
    down, up = FORMS[form]
    heard(ah, down)
    told = ah.wait_event("verdict", "web", status="down")
    assert told["message"] == "An outside monitor says that it is down: " + SAID[form]
    restart = ah.wait_event("restart", "web")
    assert (restart["status"], restart["reason"]) == ("success", "verdict")
    assert restart["message"] == "Restarted because an outside monitor said that it was down"
    assert ah.wait_phase("web", "verifying")["next_action"]["action"] == "check"
    heard(ah, up)
    assert ah.wait_event("recovered", "web")["status"] == "healthy"
    one = closed(ah)
    assert (one["cause"], one["detected_by"], one["outcome"]) == ("verdict", "verdict", "recovered")
    assert len(engine.restarts(web)) == 1
    assert ah.log_lines("is down, says an outside monitor: restarting it")


def test_one_that_says_it_is_healthy_is_healed_too(engine, ah):
    engine.start_container("shop", labels=LABEL)
    shop = engine.find("shop")
    ah.wait_event("auto_monitor", "shop")
    harness.wait(lambda: ah.container("shop")["health"]["status"] == "healthy", what="its health")
    heard(ah, own("down", "shop"), ["shop"])
    engine.wait_restart(shop)
    ah.wait_event("recovered", "shop", status="healthy")   # by its own healthcheck
    assert not ah.events("verdict", "shop")[1:]


def test_down_is_said_again_until_it_is_given_up(engine, web, autoheal):
    """A restart that does not help: the monitor says so each time."""
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false", AUTOHEAL_MAX_RESTARTS="2",
                  AUTOHEAL_RECOVERY_TIMEOUT="2", AUTOHEAL_QUARANTINE_RETRY="0")
    heard(ah, kuma(0))
    for count in (1, 2):
        ah.wait_event("restart", "web", count=count)
        fence(engine, ah)  # the events of that restart may come behind its answer, and a start voids what was said before
        harness.wait(lambda: len(ah.events("verdict", "web")) > count or not ah.post(VERDICTS, kuma(0)), what="the word")
        ah.wait_event("not_recovered", "web", 15, "timeout", count)
    assert "Still down" in ah.events("not_recovered", "web")[-1]["message"]
    ah.wait_event("quarantine", "web")
    heard(ah, kuma(0))
    assert ah.container("web")["phase"] == "quarantined" and len(engine.restarts(web)) == 2
    heard(ah, kuma(1))
    ah.wait_event("auto_unquarantine", "web", 10)


def test_without_another_word_its_recovery_time_judges(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_RECOVERY_TIMEOUT="1")
    heard(ah, own("down"))
    assert ah.wait_event("recovered", "web", 10)["status"] == "running"


def test_the_policy_holds(engine, ah, web):
    ah.post("/api/maintenance/enable")
    heard(ah, own("down"))
    ah.wait_event("skipped", "web", status="maintenance")
    waiting = ah.wait_phase("web", "waiting")
    assert waiting["health"] == {"status": "unhealthy", "failing_streak": None}
    explained = ah.get("/api/containers/web/explain").json()["text"]
    assert "an outside monitor says that it is down" in explained
    heard(ah, own("up"))
    assert ah.wait_event("skipped", "web", status="recovered")["message"] == \
        "Not restarted: the outside monitor says that it is up again"
    ah.post("/api/maintenance/disable")
    left_alone(engine, ah, web)


def test_a_dry_run_tells(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_DRY_RUN="true")
    heard(ah, own("down"))
    assert "it is down, says an outside monitor" in ah.wait_event("skipped", "web", status="dry_run")["message"]
    left_alone(engine, ah, web)


def test_what_a_person_stopped_or_paused_is_left_alone(engine, ah, web):
    """Its monitor sees that it is down, as it should be; that is not held against it later."""
    engine.pause(web)
    ah.wait_phase("web", "hands_off")
    heard(ah, own("down"), [], ["web"])
    engine.unpause(web)
    ah.wait_phase("web", "watching")
    engine.stop_by_person(web)
    ah.wait_phase("web", "hands_off")
    heard(ah, own("down"), [], ["web"])
    engine.start_by_person(web)
    ah.wait_phase("web", "watching")
    left_alone(engine, ah, web)
    assert not ah.events("verdict")


# ---- whom it is about

def test_the_label_comes_first_and_several_may_carry_it(engine, autoheal):
    shop = {**LABEL, "autoheal.monitor": "Shop front"}
    one = engine.add("shop-1", labels=shop, healthcheck=False)
    two = engine.add("shop-2", labels=shop, healthcheck=False)
    named = engine.add("other", labels={**LABEL, "autoheal.monitor": "web"}, healthcheck=False)
    web = engine.add("web", labels=LABEL, healthcheck=False)
    ah = autoheal(engine, **QUICK)
    assert sorted(ah.post(VERDICTS, kuma(0, "Shop front")).json()["matched"]) == ["shop-1", "shop-2"]
    engine.wait_restart(one)
    engine.wait_restart(two)
    heard(ah, kuma(0), ["other"])
    engine.wait_restart(named)
    heard(ah, own("down", "shop-1"), ["shop-1"])           # its name serves as well
    left_alone(engine, ah, web)


def test_a_stable_id_is_a_name_too(engine, autoheal):
    web = engine.add("web-1", labels={**LABEL, "monitoring.id": "front"}, healthcheck=False)
    ah = autoheal(engine, **QUICK)
    heard(ah, own("down", "front"), ["front"])
    engine.wait_restart(web)
    heard(ah, own("up", "web-1"), ["front"])
    assert ah.post(VERDICTS, own("down", web.id[:12])).status == 404   # a monitor's name may look like one


def test_a_name_on_several_hosts_means_nobody(make_engine, autoheal):
    engines = [make_engine(), make_engine()]
    there = [e.add("web", labels=LABEL, healthcheck=False) for e in engines]
    ah = autoheal(ready=False, AUTOHEAL_HOSTS=",".join(f"{n}={e.url}" for n, e in zip("ab", engines)), **QUICK)
    harness.wait(lambda: ah.up() and ah.get("/api/status").json()["monitored_containers"] == 2, 10, "both")
    answer = ah.post(VERDICTS, own("down"))
    assert answer.status == 409 and "HOST/NAME" in answer.json()["error"]
    heard(ah, own("down", "b/web"), ["b/web"])
    engines[1].wait_restart(there[1])
    left_alone(engines[0], ah, there[0])


def test_an_excluded_one_is_ignored(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_EXCLUDE="db*", **QUICK)
    engine.start_container("db", labels=LABEL)
    fence(engine, ah)
    heard(ah, own("down", "db"), [], ["db"])
    ah.post("/api/containers/select", {"container_ids": ["web"], "enabled": False})
    heard(ah, own("down"), [], ["web"])
    left_alone(engine, ah, web)


def test_nobody_is_called_so(engine, ah):
    engine.start_container("unlabelled")
    fence(engine, ah)
    for name in ("nobody", "unlabelled", "we", "web\u0000", "WEB", "web "):
        answer = ah.post(VERDICTS, kuma(0, name))
        assert answer.status == 404 and answer.json()["error"]
    assert "autoheal.monitor=nobody" in ah.post(VERDICTS, own("down", "nobody")).json()["error"]


# ---- Uptime Kuma

def test_its_test_button_is_answered(engine, ah, web):
    """So is a certificate that runs out: neither is about a monitor."""
    answer = heard(ah, KUMA_TEST, [])
    assert "arrived" in answer["message"]
    left_alone(engine, ah, web)


@pytest.mark.parametrize("status", [2, 3])
def test_pending_and_maintenance_say_nothing(engine, ah, web, status):
    heard(ah, kuma(status), [], ["web"])
    left_alone(engine, ah, web)
    assert not ah.events("verdict")


# ---- Alertmanager

def test_an_alert_that_fires_outweighs_one_that_is_resolved(engine, ah, web):
    """Two of one container in one body: its word is down, in whatever order they stand."""
    heard(ah, alertmanager(alert("resolved"), alert("firing", alertname="Slow", summary=None), alert("resolved")))
    engine.wait_restart(web)
    assert [(e["status"], e["message"]) for e in ah.events("verdict")] == \
        [("down", "An outside monitor says that it is down: Slow")]
    heard(ah, alertmanager(alert("firing"), alert("resolved")))
    assert ah.wait_phase("web", "verifying")
    assert [e["status"] for e in ah.events("verdict")] == ["down", "down"]


def test_alerts_of_several_containers(engine, ah, web):
    db = engine.start_container("db", labels=LABEL, healthcheck=False)
    ah.wait_event("auto_monitor", "db")
    answer = ah.post(VERDICTS, alertmanager(alert("firing"), alert("firing", "db"), alert("firing", "nobody"),
                                            alert("firing", None))).json()
    assert sorted(answer["matched"]) == ["db", "web"] and answer["ignored"] == ["nobody"]
    engine.wait_restart(web)
    engine.wait_restart(db)


def test_alerts_about_no_container(ah):
    for body in (alertmanager(), alertmanager(alert("firing", None))):
        answer = ah.post(VERDICTS, body)
        assert answer.status == 404 and "label container" in answer.json()["error"]


def test_a_storm_of_alerts_is_braked_as_one(engine, autoheal):
    """All of a body count before anything is sent."""
    many = [engine.add(f"web{i}", labels=LABEL, healthcheck=False) for i in range(12)]
    ah = autoheal(engine, **QUICK)
    answer = ah.post(VERDICTS, alertmanager(*[alert("firing", c.name) for c in many])).json()
    assert len(answer["matched"]) == 12
    ah.wait_event("storm", status="started")
    left_alone(engine, ah, *many)


def test_a_thousand_alerts(engine, ah, web):
    """As many as fit into a body: the first 128 count, and the answer says so."""
    few = [{"status": "firing", "labels": {"container": f"c{i}"}} for i in range(127)] + \
        [{"status": "firing", "labels": {"container": name}} for name in ("web", "late")] + \
        [{"status": "resolved", "labels": {"container": "web"}}] * 600
    answer = ah.post(VERDICTS, {"version": "4", "alerts": few})
    assert answer.status == 202 and answer.json()["matched"] == ["web"]
    assert "128" in answer.json()["message"] and "late" not in answer.json()["ignored"]
    assert len(answer.json()["ignored"]) == 127
    engine.wait_restart(web)
    answer = ah.post(VERDICTS, {"alerts": [{"status": "firing", "labels": {"container": "web"}}] * 1000})
    assert answer.status in (202, 400)
    answer = ah.post(VERDICTS, alertmanager(*[alert("firing")] * 1000))
    assert answer.status == 413


# ---- bodies that are none

@pytest.mark.parametrize("body, status, member", [
    ("", 400, None), ("{", 400, None), ("[" * 5000, 400, None), ('{"alerts":' * 60, 400, None), ("null", 422, "container"),
    ("[]", 422, "container"), ("{}", 422, "container"), ('"down"', 422, "container"), ("7", 422, "container"),
    (own("down", 7), 422, "container"), (own("down", ""), 422, "container"), (own("down", ["web"]), 422, "container"),
    (own("sideways"), 422, "status"), (own(0), 422, "status"), ({"container": "web"}, 422, "status"),
    (own("down", reason=["x"]), 422, "reason"), (own("down", "w" * 60000), 404, None),
    (kuma("0"), 422, "heartbeat.status"), (kuma(4), 422, "heartbeat.status"), (kuma(None), 422, "heartbeat.status"),
    (kuma(0, 7), 422, "monitor.name"), ({"heartbeat": {"status": 0}}, 422, "monitor.name"),
    ({"monitor": {"name": "web"}}, 422, "heartbeat.status"), ({"heartbeat": [], "monitor": "web"}, 422, "monitor.name"),
    ({"alerts": {}}, 422, "container"), ({"alerts": [7]}, 422, "alerts.status"),
    (alertmanager(alert("firing"), alert("broken")), 422, "alerts.status"),
    (alertmanager(alert("firing"), {"status": "firing"}), 422, "alerts.labels.container"),
    (alertmanager(alert("firing"), {"status": "firing", "labels": []}), 422, "alerts.labels.container"),
    ({"alerts": [{"labels": {"container": "web"}}]}, 422, "alerts.status"),
    ({"alerts": [[["firing"]]]}, 422, "alerts.status"), ("x" * 70000, 413, None),
])
def test_bodies_that_are_refused(engine, ah, web, body, status, member):
    """Nothing of a body counts of which a part makes no sense."""
    answer = ah.post(VERDICTS, body, headers=TYPE)
    assert answer.status == status and answer.json()["error"], answer
    assert member is None or answer.json()["member"] == member
    assert not ah.events("verdict")
    left_alone(engine, ah, web)


def test_what_is_said_is_foreign_text(ah):
    """It ends nowhere but as text: escaped in the log, cut at a whole character."""
    heard(ah, own("down", reason="\x1b[31m\u202e<script>\n" + "é" * 5000))
    message = ah.wait_event("verdict", "web")["message"]
    assert message.startswith("An outside monitor says that it is down: \x1b[31m\u202e<script>\n") and len(message) < 300
    assert message.endswith("é")
    assert "\x1b" not in ah.log() and "\u202e" not in ah.log() and ah.log_lines(r"verdict \(down\)")


def test_it_needs_the_token(engine, ah, web, autoheal):
    assert ah.post(VERDICTS, own("down"), token=False).status == 401
    assert ah.post(VERDICTS, own("down"), token="wrong").status == 401
    assert ah.get(VERDICTS).status == 405
    assert ah.post(VERDICTS, json.dumps(own("down")), headers={"Content-Type": "text/plain"}).status == 415
    left_alone(engine, ah, web)


def test_it_is_heard_while_the_engine_is_away(engine, ah, web):
    """And acted on when it is back."""
    engine.stop()
    harness.wait(lambda: not ah.get("/api/status").json()["docker_connected"], 10, "the loss")
    heard(ah, own("down"))
    engine.start()
    engine.wait_restart(web, timeout=15)

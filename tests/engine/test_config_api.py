"""The configuration through the API: whole or not at all, live at once, kept over a restart, and no secret of it told."""
import json
import os
import re
import signal
import stat
import threading

import pytest

import harness
from name_server import NameServer, need_namespaces
from receiver import Receiver
from steps import LABEL, QUICK, audits, fence, healed, left_alone, raw, sick_and_healed, statuses

SECRET = "s3cr3t-t0k3n-of-th3-h00k"
PYTHON = {      # what docker-autoheal keeps
    "monitor": {"interval_seconds": 45, "label_key": "heal", "label_value": "yes", "include_all": False},
    "containers": {"selected": ["db"], "excluded": ["noisy"], "restart_counts": {"db": 7}},
    "restart": {"mode": "on-failure", "cooldown_seconds": 61, "max_restarts": 4, "max_restarts_window_seconds": 601,
                "backoff": {"enabled": True, "initial_seconds": 11, "multiplier": 2.5}, "respect_manual_stop": True},
    "filters": {"whitelist_names": [], "blacklist_names": ["never"]},
    "ui": {"enable": True, "listen_port": 3131},
    "alerts": {"enabled": True, "webhook": None, "notify_on_quarantine": True},
    "observability": {"prometheus_enabled": True, "metrics_port": 9090, "log_level": "INFO"},
    "uptime_kuma": {"enabled": False, "url": ""},
    "custom_health_checks": [],
}


@pytest.fixture
def start(engine, folder, autoheal):
    """start(**settings): the service with a folder, and the interval unset, as the fixture's would lock it."""
    engine.set_clock(0)

    def begin(**kw):
        return autoheal(engine, **{"AUTOHEAL_DATA_DIR": folder, "AUTOHEAL_INTERVAL": None, **kw})
    return begin


@pytest.fixture
def post():
    with Receiver() as receiver:
        yield receiver


def put(ah, section, body, status=200, **kw):
    answer = ah.put(f"/api/config{'/' if section else ''}{section}", body, **kw)
    assert answer.status == status, answer
    return answer.json()


def config(ah):
    return ah.get("/api/config", token=True).json()


def again(ah, sig=signal.SIGTERM):
    ah.stop(sig)
    ah.start()
    ah.wait_ready()


def stored(folder):
    return json.loads((folder / "config.json").read_text())


def changes(ah):
    return [(e["status"], e["message"]) for e in ah.events("config")]


# ---- live at once

def test_another_label(engine, start):
    """Who is watched is judged anew, with the events that a start would bring; the stream is not doubted for it."""
    engine.add("web", labels=LABEL)
    heal = engine.add("heal", labels={"heal": "yes"}, heals_after=0.1)
    ah = start(AUTOHEAL_COOLDOWN="0")
    ah.wait_event("auto_monitor", "web")
    answer = put(ah, "monitor", {"label_key": "heal", "label_value": "yes"})
    assert answer["label_key"] == "heal" and answer["interval_seconds"] == 30
    assert "heal=yes" in ah.wait_event("auto_monitor", "heal")["message"]
    ah.wait_event("selection", "web", status="ended")
    assert config(ah)["containers"]["selected"] == ["heal"]
    sick_and_healed(engine, ah, heal)
    engine.start_container("later", labels={"heal": "yes"})
    ah.wait_event("auto_monitor", "later")
    put(ah, "monitor", {"label_key": "autoheal", "label_value": "true"})
    ah.wait_event("auto_monitor", "web", count=2)
    assert ah.get("/api/status").json()["engines"][0]["audit_repairs"] == 0


def test_include_exclude_and_project(engine, start):
    """blacklist_names, whitelist_names and projects, one after another."""
    web = engine.add("web", labels=LABEL)
    db = engine.add("db-1", heals_after=0.1)
    engine.add("shop-web", labels={"com.docker.compose.project": "shop", "com.docker.compose.service": "web", **LABEL})
    ah = start(AUTOHEAL_COOLDOWN="0")
    fence(engine, ah)
    put(ah, "filters", {"whitelist_names": ["db-*"]})
    ah.wait_log("Container 'db-1' is watched")
    sick_and_healed(engine, ah, db)
    put(ah, "filters", {"blacklist_names": ["web"]})
    ah.wait_event("selection", "web", status="ended")
    engine.sicken(web)
    left_alone(engine, ah, web)
    put(ah, "", {"filters": {"projects": ["shop"], "whitelist_names": []}})
    harness.wait(lambda: not ah.container("db-1")["monitored"], what="db-1 to be let go")
    assert ah.container("shop-web")["monitored"]
    assert config(ah)["filters"] == {"whitelist_names": [], "blacklist_names": ["web"], "projects": ["shop"]}


def test_include_all(engine, start):
    other = engine.add("other", heals_after=0.1)
    ah = start()
    assert put(ah, "monitor", {"include_all": True})["include_all"] is True
    assert config(ah)["restart"]["mode"] == "health"        # nobody wants every one-shot job started again
    ah.wait_log("Container 'other' is watched")
    sick_and_healed(engine, ah, other)
    put(ah, "monitor", {"include_all": False})
    harness.wait(lambda: not ah.container("other")["monitored"], what="other to be let go")
    assert config(ah)["restart"]["mode"] == "both"


def test_interval(engine, start):
    """The next audit comes by the new one, though it was far off by the old one."""
    ah = start()
    put(ah, "monitor", {"interval_seconds": 3600})
    put(ah, "monitor", {"interval_seconds": 1})
    audits(engine, 3, timeout=8)
    assert ah.get("/health").status == 200


def test_cooldown_ends_for_one_that_waits(engine, start):
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = start(AUTOHEAL_BACKOFF="false")
    sick_and_healed(engine, ah, web)
    engine.sicken(web)
    ah.wait_phase("web", "waiting")
    assert ah.container("web")["next_action"]["in_seconds"] > 30
    put(ah, "restart", {"cooldown_seconds": 0})
    healed(engine, ah, web, 2)


def test_quarantine_retry_counts_for_one_that_is_in_quarantine(engine, start):
    web = engine.add("web", labels=LABEL, heals_after=None)
    ah = start(AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false", AUTOHEAL_RECOVERY_TIMEOUT="1")
    put(ah, "restart", {"max_restarts": 1})
    engine.sicken(web)
    ah.wait_event("restart", "web")
    ah.wait_event("quarantine", "web", timeout=10)
    engine.set_health(web, "unhealthy")
    assert len(engine.restarts(web)) == 1
    put(ah, "restart", {"quarantine_retry_seconds": 1})
    engine.wait_restart(web, 2, 10)


def test_dry_run(engine, start):
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = start(AUTOHEAL_COOLDOWN="0")
    put(ah, "restart", {"dry_run": True})
    assert ah.get("/api/status").json()["dry_run"] is True
    engine.sicken(web)
    ah.wait_event("skipped", "web", status="dry_run")
    assert not engine.restarts(web)
    put(ah, "restart", {"dry_run": False})
    engine.set_health(web, "healthy")
    sick_and_healed(engine, ah, web)


def test_log_level_and_format(engine, start):
    ah = start()
    put(ah, "observability", {"log_level": "debug"})
    assert config(ah)["observability"]["log_level"] == "DEBUG"
    engine.start_container("web", labels=LABEL)
    ah.wait_log("DEBUG - Container start event detected: web")
    put(ah, "observability", {"log_level": "WARNING", "log_format": "json"})
    ah.wait_log("Changed by a person: observability.log_level, observability.log_format")
    engine.start_container("quiet", labels=LABEL)
    ah.wait_event("auto_monitor", "quiet")
    assert not ah.log_lines("quiet")
    put(ah, "observability", {"log_level": "INFO"})
    harness.wait(lambda: '"message":"Changed by a person: observability.log_level"' in ah.log(), what="a JSON line")


def test_max_parallel(engine, start):
    """One restart hangs in its stop; the second waits for its slot until there are more."""
    slow, quick = engine.add("slow", labels=LABEL, stop_seconds=5), engine.add("quick", labels=LABEL)
    ah = start()
    put(ah, "restart", {"max_parallel": 1, "storm": "off"})
    engine.sicken(slow)
    engine.wait_restart(slow)
    engine.sicken(quick)
    left_alone(engine, ah, quick)
    put(ah, "restart", {"max_parallel": 8})
    engine.wait_restart(quick, timeout=3)


def test_a_target_is_told_from_now_on(engine, start, post):
    """Added, filtered, disabled, taken away; what it is called is nobody's to see."""
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = start(**{k: v for k, v in QUICK.items()})
    answer = ah.put("/api/notifications/config", {"services": [{"name": "mine", "url": post.url(f"/{SECRET}")}]})
    assert answer.status == 200 and answer.json()["services"] == [{"name": "mine", "url": "***", "enabled": True}]
    sick_and_healed(engine, ah, web)
    post.wait(2)
    put(ah, "notifications", {"event_filters": ["recovered"]})
    sick_and_healed(engine, ah, web, 2)
    post.wait(3)
    put(ah, "notifications", {"services": [{"name": "mine", "url": "***", "enabled": False}]})
    sick_and_healed(engine, ah, web, 3)
    put(ah, "notifications", {"services": [{"name": "mine", "url": "***", "enabled": True}]})
    sick_and_healed(engine, ah, web, 4)
    post.wait(4)
    put(ah, "notifications", {"services": []})
    sick_and_healed(engine, ah, web, 5)
    assert post.titles() == ["web: restart", "web: recovered", "web: recovered", "web: recovered"]
    assert SECRET not in ah.log() and SECRET not in json.dumps(ah.events())


def test_the_commands_know_what_was_changed(engine, start, post):
    """notify-test and doctor look at what the service goes by: config.json, too."""
    engine.add("heal", labels={"heal": "true"})
    ah = start()
    put(ah, "", {"monitor": {"label_key": "heal"}, "notifications": {"services": [{"name": "x", "url": post.url("/x")}]}})
    done = ah.command("notify-test")
    assert done.returncode == 0 and [r.path for r in post.log] == ["/x"], done
    doctor = ah.command("doctor")
    assert "heal=true" in doctor.stdout, doctor


def test_a_change_of_other_targets_leaves_what_waits(engine, start, post):
    """A notice that is tried again is not lost because a second target comes."""
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = start()
    post.answers += [(503, {}, b"")] * 2
    put(ah, "notifications", {"event_filters": ["restart"], "services": [{"name": "a", "url": post.url("/a")}]})
    sick_and_healed(engine, ah, web)
    post.wait(1)
    put(ah, "notifications", {"services": [{"name": "b", "url": post.url("/b")}, {"name": "a", "url": "***"}]})
    post.wait(3, timeout=20)
    assert [r.path for r in post.log] == ["/a"] * 3


# ---- whole or not at all

def test_a_wrong_member_changes_nothing(engine, start, folder):
    ah = start()
    before = config(ah)
    answer = put(ah, "", {"monitor": {"interval_seconds": 5}, "restart": {"cooldown_seconds": -1}}, 422)
    assert answer["member"] == "restart.cooldown_seconds" and "number of seconds" in answer["error"]
    assert put(ah, "restart", {"cooldown": 1}, 422)["member"] == "restart.cooldown"
    assert put(ah, "nothing", {}, 404)["error"]
    assert put(ah, "backoff", {}, 404)["error"]
    for body in ("{", '{"restart":{}}x', "\xff"):
        assert ah.put("/api/config", body, {"Content-Type": "application/json"}).status == 400
    assert ah.put("/api/config", "{}", {"Content-Type": "text/plain"}).status == 415
    assert ah.put("/api/config/restart", {}, token=False).status == 401
    assert ah.put("/api/config/restart", {}, token="wrong").status == 401
    assert ah.post("/api/config/import", {}, token=False).status == 401
    assert config(ah) == before and not (folder / "config.json").exists() and not changes(ah)


def test_nothing_of_the_outside_is_ever_set(engine, start):
    """Where autoheal reaches, and what it runs, is the environment's alone."""
    ah = start()
    names = ("docker_host", "data_dir", "post_restart_script", "api_token", "listen", "heartbeat_url", "ca_file")
    for name in names:
        for section in ("monitor", "restart", "observability", "notifications"):
            assert put(ah, section, {name: "/x"}, 422)["member"] == f"{section}.{name}"
    answer = ah.post("/api/config/import", {name: "/x" for name in names})
    assert answer.status == 200 and answer.json()["ignored"] == list(names)
    assert not changes(ah)


def test_locked(engine, start):
    """Its present value is no change; another is a conflict that names the variable."""
    ah = start(AUTOHEAL_COOLDOWN="90s", AUTOHEAL_CONTAINER_LABEL="heal", AUTOHEAL_INCLUDE="a, b")
    put(ah, "restart", {"cooldown_seconds": 90})
    put(ah, "filters", {"whitelist_names": ["a", "b"]})
    answer = put(ah, "restart", {"max_restarts": 9, "cooldown_seconds": 91}, 409)
    assert answer["member"] == "restart.cooldown_seconds" and "AUTOHEAL_COOLDOWN" in answer["error"]
    assert "AUTOHEAL_CONTAINER_LABEL" in put(ah, "monitor", {"include_all": True}, 409)["error"]
    assert ah.post("/api/config/import", PYTHON).status == 409
    assert config(ah)["restart"]["max_restarts"] == 3 and not changes(ah)
    assert set(config(ah)["locked"]) == {"restart.cooldown_seconds", "monitor.label_key", "monitor.include_all",
                                         "filters.whitelist_names"}


def test_it_is_told_without_values(engine, start):
    ah = start()
    put(ah, "", {"restart": {"cooldown_seconds": 17}, "filters": {"projects": ["shopfloor"]}})
    put(ah, "restart", {"cooldown_seconds": 17})                                            # no change, no word
    assert changes(ah) == [("changed", "Changed by a person: filters.projects, restart.cooldown_seconds")]
    assert len(ah.log_lines(r" - config - INFO - Changed by a person: filters.projects, restart.cooldown_seconds$")) == 1
    assert "shopfloor" not in ah.log()


# ---- stored

def test_it_is_kept(engine, start, folder):
    """What was changed, and nothing else, in a file for its owner only; read at the start, then answered."""
    engine.add("heal", labels={"heal": "true"})
    ah = start()
    put(ah, "", {"monitor": {"label_key": "heal", "interval_seconds": 30}, "restart": {"backoff": {"multiplier": 1.5}},
                 "notifications": {"services": [{"name": "x", "url": f"https://127.0.0.1:1/{SECRET}"}]}})
    assert stored(folder) == {
        "autoheal": 1, "monitor": {"label_key": "heal"}, "restart": {"backoff": {"multiplier": 1.5}},
        "notifications": {"services": [{"name": "x", "url": f"https://127.0.0.1:1/{SECRET}", "enabled": True}]},
        "containers": {"selected": [], "excluded": []}}
    assert stat.S_IMODE(os.stat(folder / "config.json").st_mode) == 0o600
    before = config(ah)
    again(ah, signal.SIGKILL)
    ah.wait_event("auto_monitor", "heal")
    after = config(ah)
    assert after == {**before, "containers": after["containers"]}
    assert changes(ah) == [("changed", changes(ah)[0][1])]
    assert SECRET not in ah.log()


def test_the_environment_counts_first_and_hides_what_was_stored(engine, start, folder):
    ah = start()
    put(ah, "restart", {"cooldown_seconds": 17, "max_restarts": 9})
    ah.stop()
    ah.env["AUTOHEAL_COOLDOWN"] = "5"
    ah.start()
    ah.wait_ready()
    assert config(ah)["restart"]["cooldown_seconds"] == 5 and config(ah)["restart"]["max_restarts"] == 9
    put(ah, "restart", {"max_restarts": 8})
    assert stored(folder)["restart"] == {"cooldown_seconds": 17, "max_restarts": 8}
    ah.stop()
    del ah.env["AUTOHEAL_COOLDOWN"]
    ah.start()
    ah.wait_ready()
    assert config(ah)["restart"]["cooldown_seconds"] == 17


def test_a_wrong_value_in_the_file_is_a_warning(engine, start, folder):
    """The member is named, its default holds, the others count, and the file stays as it is."""
    text = json.dumps({"autoheal": 1, "restart": {"cooldown_seconds": "soon", "max_restarts": 7}, "later": 1,
                       "notifications": {"services": [{"name": "x", "url": f"ftp://{SECRET}"}]},
                       "containers": {"selected": ["db"], "excluded": []}}).replace(" ", "")
    (folder / "config.json").write_text(text)
    ah = start()
    ah.wait_log(r"config - WARNING - config.json: restart.cooldown_seconds must be a number of seconds")
    ah.wait_log(r"config - WARNING - config.json: later is no member")
    ah.wait_log(r"config - WARNING - config.json: notifications.services\[0\]")
    restart = config(ah)["restart"]
    assert restart["cooldown_seconds"] == 60 and restart["max_restarts"] == 7
    assert config(ah)["containers"]["selected"] == ["db"] and SECRET not in ah.log()
    assert (folder / "config.json").read_text() == text


def test_a_disk_that_refuses(engine, start, folder):
    """503 with the reason; the change holds all the same until the end."""
    (folder / ".autoheal.tmp").mkdir()                                  # in the way of every write
    ah = start()
    answer = put(ah, "restart", {"max_restarts": 9}, 503)
    assert "not stored: Is a directory" in answer["error"]
    assert config(ah)["restart"]["max_restarts"] == 9
    (folder / ".autoheal.tmp").rmdir()
    put(ah, "restart", {"max_restarts": 8})
    assert stored(folder)["restart"] == {"max_restarts": 8}


def test_without_a_folder_it_holds_until_the_end(engine, autoheal):
    ah = autoheal(engine, AUTOHEAL_INTERVAL=None)
    put(ah, "restart", {"max_restarts": 9})
    assert config(ah)["restart"]["max_restarts"] == 9
    again(ah)
    assert config(ah)["restart"]["max_restarts"] == 3


# ---- whom people choose

def test_choices_of_people(engine, start, folder):
    """PUT of the whole with other lists is a choice of a person; a label's own stays the label's."""
    db = engine.add("db", heals_after=0.1)
    engine.add("web", labels=LABEL)
    engine.add("noisy", labels=LABEL)
    ah = start(AUTOHEAL_COOLDOWN="0")
    ah.wait_event("auto_monitor", "noisy")
    whole = config(ah)
    assert sorted(whole["containers"]["selected"]) == ["noisy", "web"]
    put(ah, "", whole)
    assert not changes(ah) and config(ah)["containers"] == whole["containers"]
    whole["containers"]["selected"] = ["web", "db"]
    whole["containers"]["excluded"] = ["noisy"]
    put(ah, "", whole)
    ah.wait_event("selection", status="selected")
    ah.wait_event("selection", status="excluded")
    harness.wait(lambda: ah.container("db")["monitored"], what="db to be watched")
    sick_and_healed(engine, ah, db)
    assert not ah.container("noisy")["monitored"]
    assert stored(folder)["containers"] == {"selected": ["db"], "excluded": ["noisy"]}
    assert config(ah)["containers"]["selected_by"] == {"web": "label", "db": "person"}
    put(ah, "containers", {"selected": []})
    harness.wait(lambda: not ah.container("db")["monitored"], what="db to be let go")
    put(ah, "containers", {"excluded": []})
    ah.wait_event("auto_monitor", "noisy", count=2)
    assert stored(folder)["containers"] == {"selected": [], "excluded": []}


def test_names_are_looked_up(engine, start, folder):
    """What is watched may be meant by its name or the beginning of its id; who is known to nobody stays as it is written."""
    shop = {"com.docker.compose.project": "shop", "com.docker.compose.oneoff": "False", **LABEL}
    web = engine.add("shop-web-1", labels={"com.docker.compose.service": "web", **shop}, healthcheck=False)
    db = engine.add("shop-db-1", labels={"com.docker.compose.service": "db", **shop}, healthcheck=False)
    ah = start()
    stable = {n: ah.wait_event("auto_monitor", n)["stable_id"] for n in ("shop-web-1", "shop-db-1")}
    assert not set(stable) & set(stable.values()) and web.id[:8] != db.id[:8]
    put(ah, "", {"custom_health_checks": [{"container_id": c, "check_type": "tcp", "tcp_port": 80}
                                          for c in ("shop-web-1", db.id[:12], "nobody")]})
    assert sorted(c["container_id"] for c in config(ah)["custom_health_checks"]) == sorted(["nobody", *stable.values()])
    put(ah, "containers", {"selected": [db.id[:8], "nobody"], "excluded": ["shop-web-1"]})
    assert stored(folder)["containers"]["excluded"] == [stable["shop-web-1"]]
    assert config(ah)["containers"]["excluded"] == [stable["shop-web-1"]]
    assert sorted(config(ah)["containers"]["selected"]) == sorted(["nobody", stable["shop-db-1"]])


def test_what_a_label_chose_is_no_choice_of_a_person_elsewhere(engine, start):
    """An export has it among the selected; where it is restored, it is its label's again or nobody's."""
    ah = start()
    answer = ah.post("/api/config/import", {"containers": {
        "selected": ["db", "web"], "selected_by": {"db": "person", "web": "label"}}})
    assert answer.status == 200
    assert config(ah)["containers"]["selected"] == ["db"]
    put(ah, "containers", {"selected": ["web"], "selected_by": {"web": "label"}})
    assert config(ah)["containers"]["selected"] == []


# ---- export and import

def test_ten_thousand_choices(engine, start, folder):
    """What was exported can be imported, whole, with the token; it is stored, read again, and known to the commands."""
    engine.add("heal", labels={"heal": "true"})
    names = [f"a-container-with-a-longer-name-{n:05}" for n in range(10000)]
    ah = start(AUTOHEAL_API_WRITES="open")
    put(ah, "", {"monitor": {"label_key": "heal"}, "containers": {"selected": names}})
    exported = ah.get("/api/config/export", token=True)
    assert exported.status == 200 and sorted(n for n in exported.json()["containers"]["selected"] if n in set(names)) == names
    assert ah.get("/api/config/containers", token=True).status == 200
    assert ah.post("/api/config/import", exported.json()).json() == {"imported": True, "ignored": []}
    assert len(put(ah, "", exported.json())["containers"]["selected_by"]) >= 10000
    assert "heal=true" in ah.command("doctor").stdout
    again(ah)
    assert set(names) <= set(config(ah)["containers"]["selected"])
    # more than an answer has room for: the change holds all the same
    longer = [f"{n:0150}" for n in range(10000)]
    assert put(ah, "", {"containers": {"selected": longer}}) == {}
    assert len(stored(folder)["containers"]["selected"]) == 10000
    assert ah.get("/api/config", token=True).status == 500
    put(ah, "", {"containers": {"selected": []}})
    assert ah.get("/api/config", token=True).status == 200


def test_round_trip(engine, start, folder, post):
    """An export is an import that changes nothing; elsewhere it brings everything but the secrets."""
    engine.add("web", labels=LABEL)
    ah = start()
    put(ah, "", {"monitor": {"interval_seconds": 77}, "restart": {"mode": "health", "stop_timeout_seconds": 5},
                 "containers": {"excluded": ["noisy"]}, "observability": {"log_format": "json"},
                 "notifications": {"services": [{"name": "x", "url": post.url(f"/{SECRET}")}], "event_filters": ["all"]}})
    exported = ah.get("/api/config/export", token=True)
    assert exported.status == 200 and SECRET not in exported.text
    assert "attachment" in exported.headers["content-disposition"]
    assert exported.json() == config(ah)
    count = len(changes(ah))
    answer = ah.post("/api/config/import", exported.json())
    assert answer.json() == {"imported": True, "ignored": []} and len(changes(ah)) == count
    assert stored(folder)["notifications"]["services"][0]["url"] == post.url(f"/{SECRET}")
    ah.stop()
    (folder / "config.json").unlink()
    ah.start()
    ah.wait_ready()
    assert ah.post("/api/config/import", exported.json()).json() == {
        "imported": True, "ignored": ["notifications.services[0]"]}
    after, wanted = config(ah), exported.json()
    wanted["notifications"]["services"] = []
    after["containers"] = wanted["containers"] = None
    assert after == wanted
    assert changes(ah)[-1][0] == "imported"


def test_the_file_of_docker_autoheal(engine, start, folder, post):
    engine.add("db")
    engine.add("noisy", labels={"heal": "yes"})
    ah = start()
    PYTHON["alerts"]["webhook"] = post.url(f"/{SECRET}")
    answer = ah.post("/api/config/import", PYTHON)
    assert answer.json() == {"imported": True, "ignored": [
        "restart.respect_manual_stop", "ui", "alerts.notify_on_quarantine", "observability.prometheus_enabled",
        "observability.metrics_port", "uptime_kuma"]}
    now = config(ah)
    for section in ("monitor", "restart", "filters"):
        for member, value in PYTHON[section].items():
            if member == "backoff":
                assert value.items() <= now["restart"]["backoff"].items()
            elif member != "respect_manual_stop":
                assert now[section][member] == value
    assert now["containers"]["excluded"] == ["noisy"] and now["containers"]["selected_by"] == {"db": "person"}
    assert now["notifications"]["services"] == [{"name": "alerts", "url": "***", "enabled": True}]
    assert ah.post("/api/notifications/test/alerts").json()["delivered"] is True
    assert post.log[0].path == f"/{SECRET}"
    assert "restart.mode" in changes(ah)[0][1] and changes(ah)[0][0] == "imported"
    again(ah)
    assert config(ah)["restart"]["mode"] == "on-failure" and SECRET not in ah.log()


def test_a_body_that_is_too_large(engine, start):
    ah = start()
    large = {"filters": {"projects": ["x" * 100] * 1000}}
    assert ah.post("/api/config/import", large).status == ah.put("/api/config", large).status == 422
    for call, token, size in [("POST /api/config/import", harness.TOKEN, 2097153), ("PUT /api/config", harness.TOKEN, 2097153),
                              ("POST /api/config/import", "wrong", 65537), ("PUT /api/config/filters", harness.TOKEN, 65537),
                              ("PUT /api/notifications/config", harness.TOKEN, 65537), ("PUT /api/config", "", 65537)]:
        head = f"{call} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        wire = f"{head}Content-Length: {size}\r\n\r\n".encode()
        assert statuses(raw(ah.port, wire, finish=False, timeout=2)) == [413], call
    assert ah.post("/api/config/import", {"filters": {"projects": ["x" * 100] * 500}}).status == 422
    assert ah.post("/api/config/import", "[" * 5000, {"Content-Type": "application/json"}).status == 400
    assert ah.get("/health").status == 200


def test_own_probes_are_part_of_it(engine, start, folder):
    """custom_health_checks: replaced as a list, wrong ones named, commands with the token alone, sent back without a change."""
    engine.add("db", labels=LABEL, healthcheck=False)
    ah = start(AUTOHEAL_API_WRITES="open")
    ah.wait_event("auto_monitor", "db")
    probe = {"container_id": "db", "check_type": "tcp", "tcp_port": 5432, "interval_seconds": 60}
    put(ah, "", {"custom_health_checks": [probe]})
    shown = config(ah)["custom_health_checks"]
    assert len(shown) == 1 and probe.items() <= shown[0].items()
    assert stored(folder)["custom_health_checks"][0]["tcp_port"] == 5432
    put(ah, "", config(ah))
    assert changes(ah) == [("changed", "Changed by a person: custom_health_checks")]
    wrong = put(ah, "", {"restart": {"max_restarts": 9}, "custom_health_checks": [{**probe, "tcp_port": 0}]}, 422)
    assert wrong["member"].startswith("custom_health_checks") and config(ah)["restart"]["max_restarts"] == 3
    command = {"container_id": "db", "check_type": "exec", "exec_command": ["true"]}
    put(ah, "", {"custom_health_checks": [command]}, 401, token=False)
    assert config(ah)["custom_health_checks"] == shown
    put(ah, "", {"custom_health_checks": []})
    assert config(ah)["custom_health_checks"] == []


# ---- who is told

def test_targets_need_the_token_even_where_writes_are_open(engine, start, post):
    ah = start(AUTOHEAL_API_WRITES="open")
    services = {"services": [{"name": "x", "url": post.url("/x")}]}
    put(ah, "restart", {"max_restarts": 9}, token=False)
    assert ah.put("/api/notifications/config", services, token=False).status == 401
    assert ah.put("/api/config", {"notifications": services}, token=False).status == 401
    assert ah.post("/api/config/import", {"alerts": {"webhook": post.url("/x")}}, token=False).status == 401
    assert config(ah)["notifications"]["services"] == []
    assert ah.put("/api/notifications/config", services).status == 200
    assert ah.post("/api/notifications/test/x", token=False).status == 401 and post.log == []
    put(ah, "", config(ah), token=False)                                    # what is masked stays as it is
    assert ah.put("/api/notifications/config", {"event_filters": ["all"]}, token=False).status == 200
    ah.stop()
    ah.env.pop("AUTOHEAL_API_TOKEN")
    ah.start()
    ah.wait_ready()
    assert ah.put("/api/notifications/config", {"services": []}, token=False).status == 403
    put(ah, "restart", {"max_restarts": 8}, token=False)


def test_services_of_the_environment_are_locked(engine, start, post):
    ah = start(AUTOHEAL_NOTIFY=post.url("/one"), WEBHOOK_URL=post.url(f"/{SECRET}"))
    services = config(ah)["notifications"]["services"]
    assert [s["name"] for s in services] == ["http", "webhook"] and {s["url"] for s in services} == {"***"}
    put(ah, "notifications", {"services": services})
    answer = put(ah, "notifications", {"services": []}, 409)
    assert answer["member"] == "notifications.services" and "AUTOHEAL_NOTIFY" in answer["error"]
    services[1]["url"] = "https://elsewhere/"
    assert "WEBHOOK_URL" in put(ah, "notifications", {"services": services}, 409)["error"]
    for name in ("http", "webhook"):
        assert ah.post(f"/api/notifications/test/{name}").json()["delivered"] is True
    assert [r.path for r in post.log] == ["/one", f"/{SECRET}"]


@pytest.mark.parametrize("said, status, error", [
    ((204, {}, b""), 204, None),
    ((404, {}, SECRET.encode()), 404, "refused"),
    ((500, {}, SECRET.encode()), 500, "refused"),
    ((302, {"Location": "http://127.0.0.1:1/"}, b""), 302, "a redirect, which is not followed"),
])
def test_a_test_message(engine, start, post, said, status, error):
    """One request, never a second; the status and our own words, nothing of what the other side says."""
    ah = start()
    put(ah, "notifications", {"services": [{"name": "my hook/1", "url": post.url("/x"), "enabled": False}]})
    post.answers.append(said)
    answer = ah.post("/api/notifications/test/my%20hook%2F1")
    assert answer.status == 200
    assert answer.json() == {"name": "my hook/1", "delivered": error is None, "status": status, "error": error}
    assert len(post.log) == 1 and "test" in post.titles()[0]
    assert SECRET not in answer.text
    assert ah.post("/api/notifications/test/other").status == 404
    assert ah.post("/api/notifications/test/my%20hook%2F1", token=False).status == 401


def test_a_test_message_that_nobody_takes(engine, start):
    ah = start()
    put(ah, "notifications", {"services": [{"name": "gone", "url": f"http://127.0.0.1:{harness.free_port()}/"},
                                           {"name": "nameless", "url": "http://no.such.name.invalid/"}]})
    assert ah.post("/api/notifications/test/gone").json() == {
        "name": "gone", "delivered": False, "status": None, "error": "no connection"}
    answer = ah.post("/api/notifications/test/nameless", timeout=30).json()
    assert answer["delivered"] is False and answer["status"] is None


def test_a_test_message_whose_asker_leaves(engine, start, post):
    """The client goes, the service is changed meanwhile, the service ends: nothing is left behind (the sanitizers look)."""
    ah = start()
    put(ah, "notifications", {"services": [{"name": "slow", "url": post.url("/x")}]})
    post.always = "hang"
    for count in (1, 2):
        with pytest.raises(TimeoutError):
            ah.post("/api/notifications/test/slow", timeout=1)
        post.wait(count)
    with pytest.raises(TimeoutError):
        ah.post("/api/notifications/test/slow", timeout=0.3)
    put(ah, "notifications", {"services": []})
    assert ah.stop() == 0


def test_a_test_message_while_the_list_changes(engine, start, post, tmp_path):
    """Its URL is looked up while the service is taken away: it still goes where it was meant to."""
    need_namespaces()
    with NameServer() as names:
        names.zone["hook.home.test"] = ["127.0.0.1"]
        names.silent.add("hook.home.test")
        ah = start(wrapper=names.wrapper(tmp_path))
        url = post.url("/" + "x" * 300, host="hook.home.test")
        put(ah, "notifications", {"services": [{"name": "slow", "url": url}]})
        answers = []
        asker = threading.Thread(target=lambda: answers.append(ah.post("/api/notifications/test/slow", timeout=30)))
        asker.start()
        harness.wait(lambda: names.asked, what="the question for its address")
        put(ah, "notifications", {"services": []})
        put(ah, "notifications", {"services": [{"name": "other", "url": "http://127.0.0.1:9/" + "y" * 300}]})
        names.silent.clear()
        asker.join()
    assert answers[0].json()["delivered"] is True
    assert [r.path for r in post.log] == ["/" + "x" * 300]


def test_the_end_during_a_test_message(engine, start, post):
    """The asker still waits when the service ends."""
    ah = start()
    put(ah, "notifications", {"services": [{"name": "slow", "url": post.url("/x")}]})
    post.always = "hang"

    def ask():
        with pytest.raises(Exception):
            ah.post("/api/notifications/test/slow", timeout=30)
    asker = threading.Thread(target=ask)
    asker.start()
    post.wait(1)
    assert ah.stop() == 0
    asker.join()


def test_no_secret_anywhere(engine, start, folder, post):
    """After all of it: only the file has it, and the target."""
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = start(AUTOHEAL_LOG_LEVEL="DEBUG")
    url = post.url(f"/{SECRET}")
    texts = [put(ah, "notifications", {"services": [{"name": "x", "url": url}]}),
             put(ah, "notifications", {"services": [{"name": "x", "url": url}, {"name": "x", "url": url}]}, 422),
             put(ah, "notifications", {"services": [{"name": "y", "url": f"ftp://{SECRET}/"}]}, 422)]
    sick_and_healed(engine, ah, web)
    post.wait(2)
    for path in ("/api/config", "/api/config/export", "/api/config/notifications", "/api/notifications/config",
                 "/api/events", "/api/status", "/metrics"):
        texts.append(ah.get(path, token=True).text)
    assert SECRET not in json.dumps(texts) and SECRET not in ah.log()
    assert SECRET in (folder / "config.json").read_text()
    for name in set(os.listdir(folder)) - {"config.json", ".autoheal.tmp"}:
        assert SECRET not in (folder / name).read_text(), name

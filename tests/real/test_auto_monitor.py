"""Auto-monitoring: a label brings a container under watch, and nothing else does."""
import re

from conftest import wait_audits
from engine import wait

LABEL = {"autoheal": "true"}


def selected(service):
    return sorted(service.get("/api/config", token=True).json()["containers"]["selected"])


def enabled(service, name):
    return [e for e in service.events("auto_monitor", name) if e["status"] == "enabled"]


def test_label_found_by_the_list_and_by_the_start_event(engine, autoheal):
    """A labelled container is picked up, by the list at start and by its start event alike: log line, audit event,
    selection. One without the label, with the label in other letters, or with `false` is not, and silently so."""
    listed = engine.run("listed", labels=LABEL)
    engine.run("plain")
    engine.run("letters", labels={"autoheal": "True", "Autoheal": "true"})
    engine.run("opt-out", labels={"autoheal": "false"})
    service = autoheal(engine)
    service.wait_log(r"monitor - INFO - Event listener started for auto-monitoring containers with autoheal=true label$")
    service.wait_event("auto_monitor", "listed")
    later = engine.run("later", labels=LABEL)
    engine.run("later-plain")
    service.wait_event("auto_monitor", "later")
    for container in (listed, later):
        line = service.wait_log(f"Auto-monitoring enabled for container '{container.name}'").string
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - monitor - INFO - ✓ Auto-monitoring enabled for container "
                            rf"'{container.name}' \({container.id[:12]}\) - detected autoheal=true label", line), line
        event, = enabled(service, container.name)
        assert event["container_id"] == container.id
        assert event["container_name"] == container.name
        assert event["restart_count"] == 0
        assert event["message"] == "Automatically added to monitoring due to autoheal=true label"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])
    service.wait_log(rf"monitor - DEBUG - Container start event detected: later \({later.id[:12]}\)$")
    wait_audits(service, 1)
    assert selected(service) == ["later", "listed"]
    assert {e["container_name"] for e in service.events("auto_monitor")} == {"listed", "later"}
    for name, watched in (("listed", True), ("later", True), ("plain", False), ("letters", False), ("opt-out", False),
                          ("later-plain", False)):
        seen = service.container(name)
        assert seen["monitored"] is watched, seen
        assert seen["reason"], seen
    assert not service.log_lines(r"- (INFO|WARNING|ERROR) - .*(plain|opt-out)")
    assert service.get("/api/status", token=True).json()["monitored_containers"] == 2


def test_excluded_wins_over_the_label(engine, autoheal):
    """A labelled container whose name is excluded is skipped, with one line that says why."""
    engine.run("shut-listed", labels=LABEL)
    service = autoheal(engine, AUTOHEAL_EXCLUDE="other,shut-*")
    late = engine.run("shut-late", labels=LABEL)
    service.wait_log(rf"monitor - INFO - Container 'shut-late' \({late.id[:12]}\) has autoheal=true but is in excluded "
                     r"list, skipping$")
    sick = late.started()
    late.sick()
    late.wait_health("unhealthy")
    wait_audits(service)
    assert late.started() == sick
    assert service.events("auto_monitor") == []
    assert selected(service) == []
    assert service.container("shut-late")["monitored"] is False


def test_picked_up_once(engine, autoheal):
    """Restarts, a stop and a start, a recreate under the same name: the same identity, so one event in all. Back
    without the label, it is no longer watched, and that is told."""
    service = autoheal(engine)
    web = engine.run("once", labels=LABEL)
    service.wait_event("auto_monitor", "once")
    web.restart()
    web.restart()
    web.stop()
    web.start()
    service.wait_log("Container start event detected: once ", count=4)
    web.remove()
    web = engine.run("once", labels=LABEL)
    service.wait_log(rf"Container start event detected: once \({web.id[:12]}\)")
    wait_audits(service)
    assert len(enabled(service, "once")) == 1
    assert selected(service) == ["once"]
    assert len(service.log_lines("Auto-monitoring enabled for container 'once'")) == 1
    assert service.container("once")["full_id"] == web.id
    web.remove()
    engine.run("once")
    service.wait_event("selection", "once", status="ended")
    wait(lambda: service.container("once")["monitored"] is False, 5, "its watch to end")
    assert selected(service) == []


def test_project_scope(engine, autoheal):
    """With AUTOHEAL_PROJECT only that Compose project is watched; its identity is PROJECT_SERVICE, its one-off
    containers are left alone."""
    compose = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web",
               "com.docker.compose.oneoff": "False", **LABEL}
    service = autoheal(engine, AUTOHEAL_PROJECT="shop,backup")
    engine.run("foreign", labels={**compose, "com.docker.compose.project": "other"})
    engine.run("shop_web_run_1", labels={**compose, "com.docker.compose.oneoff": "True"})
    engine.run("shop-web-1", labels={**compose, "com.docker.compose.container-number": "1"})
    engine.run("shop-web-2", labels={**compose, "com.docker.compose.container-number": "2"})
    service.wait_event("auto_monitor", "shop-web-2")
    wait_audits(service, 1)
    assert selected(service) == ["shop_web", "shop_web_2"]

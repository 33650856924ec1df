"""A real Podman in Docker's place: `podman system service`. A probe runs when the test asks for one."""
import re
import subprocess

import pytest

from conftest import wait_audits
from engine import wait
from podman import Podman, PodmanError

LABEL = {"autoheal": "true"}
QUICK = {"AUTOHEAL_COOLDOWN": "0", "AUTOHEAL_BACKOFF": "false"}


@pytest.fixture(scope="session")
def shared_podman():
    try:
        podman = Podman()
    except PodmanError as e:
        pytest.skip(f"no Podman for this test: {e}")
    try:
        podman.__enter__()
        podman.run("try").probe()
    except (PodmanError, OSError, subprocess.SubprocessError) as e:
        podman.stop()
        pytest.skip(f"Podman is here, but cannot run a container: {e}")
    yield podman
    podman.stop()


@pytest.fixture
def podman(shared_podman):
    """The private Podman without a container."""
    shared_podman.remove_all()
    yield shared_podman
    shared_podman.remove_all()


def probe_until(container, condition, what, most=12):
    """Probes, as often as `most`, until the condition holds: HealthStatus lags by a probe."""
    for _ in range(most):
        container.probe()
        try:
            return wait(condition, 0.7, what)
        except AssertionError:
            continue
    raise AssertionError(f"{most} probes in vain for {what}")


def heal_and_prove(service, container, before, count=1):
    """Probes until it was restarted `count` times in all, and then until the proof that it helped is there."""
    probe_until(container, lambda: container.started() > before, f"{container.name} to be restarted")
    service.wait_event("restart", container.name, timeout=15, status="success", count=count)
    probe_until(container, lambda: len(service.events("recovered", container.name)) >= count, "the proof")


def test_podman_is_named(podman, autoheal):
    """/api/status names the engine, its version and API as Podman itself reports them."""
    service = autoheal(podman)
    said = podman.get("/version")
    shown, = service.get("/api/status", token=True).json()["engines"]
    assert shown["connected"] and shown["engine"].lower() == "podman"
    assert (shown["version"], shown["api_version"]) == (said["Version"], said["ApiVersion"])
    assert service.log_lines("connected.*Podman " + re.escape(said["Version"]))


def test_sick_container_is_healed_once(podman, autoheal):
    """Started under the eyes of autoheal, it is watched; it falls sick, every probe sends an event, and what the events
    say lags behind. One restart, which asks it to stop before it kills; then the proof."""
    service = autoheal(podman, AUTOHEAL_INTERVAL="3600")
    web = podman.run("web", labels=LABEL, stop_timeout=5)
    bystander = podman.run("bystander")
    service.wait_event("auto_monitor", "web", timeout=10)
    for c in (web, bystander):
        assert c.probe() and c.probe()
        c.sick()
    before, untouched = web.started(), bystander.started()
    assert not bystander.probe() and not bystander.probe()
    heal_and_prove(service, web, before)
    after = web.started()
    assert web.probe() and web.probe()
    podman.run("fence", labels=LABEL)
    service.wait_event("auto_monitor", "fence", timeout=10)
    assert web.started() == after and bystander.started() == untouched
    assert [(e["event_type"], e["status"]) for e in service.events(container="web")] == \
        [("auto_monitor", "enabled"), ("restart", "success"), ("recovered", "healthy")]
    assert web.count("restart") == 1
    assert web.exits() == [7], "it was killed at once"
    assert service.container("web")["phase"] == "watching"


def test_sick_without_a_word_is_found_by_the_audit(podman, autoheal):
    """The event of the first failed probe says what was before it, and Podman's list has no word on health: so it was
    before autoheal came, and so it is later."""
    web = podman.run("web", labels=LABEL)
    assert web.probe() and web.probe()
    web.sick()
    before = web.started()
    assert not web.probe()
    assert "unhealthy" not in [e.get("health_status") or e.get("HealthStatus") for _, e in podman.events(web.id)], \
        "the premise: no event says so"
    service = autoheal(podman, AUTOHEAL_INTERVAL="1", **QUICK)
    before = web.wait_restarted(before)
    assert web.probe()
    service.wait_event("recovered", "web", timeout=15)
    web.sick()
    assert not web.probe()
    web.wait_restarted(before)
    assert web.probe()
    service.wait_event("recovered", "web", timeout=15, count=2)
    assert web.count("restart") == 2


def test_a_persons_stop_is_respected(podman, autoheal):
    """Stopped while sick: no revival over audits. Started again it is healed as before."""
    web = podman.run("web", labels=LABEL)
    service = autoheal(podman, AUTOHEAL_INTERVAL="1", AUTOHEAL_START_PERIOD="10", **QUICK)
    assert web.probe()
    web.sick()
    assert not web.probe()
    service.wait_phase("web", "waiting", timeout=9)  # sick, and too early to act
    web.stop()
    service.wait_event("skipped", "web", status="stopped")
    wait_audits(service, 5)
    assert web.state()["Status"] == "exited" and web.count("restart") == 0
    web.start()
    before = web.started()
    web.sick()
    heal_and_prove(service, web, before)


def test_a_stop_that_may_take_for_ever(podman, autoheal):
    """autoheal.stop.timeout=-1: Podman refuses a negative time, and gets the longest that it takes."""
    web = podman.run("web", labels={**LABEL, "autoheal.stop.timeout": "-1"},
                     cmd=["sh", "-c", 'trap "sleep 1; exit 7" TERM; while :; do sleep 3600 & wait $!; done'])
    service = autoheal(podman, AUTOHEAL_INTERVAL="1")
    web.sick()
    heal_and_prove(service, web, web.started())
    assert [e["status"] for e in service.events("restart", "web")] == ["success"]
    assert web.exits() == [7]


def test_the_service_comes_back(podman, autoheal):
    """The stream is cut: with `since` Podman reads its log from the start, and nothing is seen twice. What fell sick
    meanwhile is healed, once."""
    web, later = podman.run("web", labels=LABEL), podman.run("later", labels=LABEL)
    service = autoheal(podman, AUTOHEAL_INTERVAL="3600", **QUICK)
    assert web.probe() and later.probe()
    web.sick()
    heal_and_prove(service, web, web.started())
    before = later.started()
    for count in (1, 2):
        podman.terminate()
        wait(lambda: not service.get("/health").json()["docker_connected"], 10, "the loss to be seen")
        if count == 2:
            later.sick()
            assert not later.probe() and not later.probe()
        podman.start()
        wait(lambda: service.get("/health").json()["docker_connected"], 15, "the connection")
    later.wait_restarted(before)
    probe_until(later, lambda: service.events("recovered", "later"), "the proof")
    for c in (web, later):
        assert c.count("restart") == 1, c.name
        assert len(service.events("restart", c.name)) == len(service.events("recovered", c.name)) == 1
        assert len(service.events("auto_monitor", c.name)) == 1
    assert service.get("/api/status", token=True).json()["engines"][0]["reconnects"] >= 2

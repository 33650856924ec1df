"""A health that is frozen: the engine probes a container no more (moby#41871)."""
import time

import pytest

from engine_container import SECOND, rfc3339
from steps import LABEL, audits, left_alone

EVERY_SECOND = {"AUTOHEAL_INTERVAL": "1"}


def probed(container, ago=0.0, output="ok"):
    end = time.time_ns() - int(ago * SECOND)
    container.log.append({"Start": rfc3339(end - SECOND // 100), "End": rfc3339(end), "ExitCode": 0, "Output": output})


def inspects(engine, container=None):
    return engine.requests("GET", f"^/containers/{container.id if container else '[0-9a-f]{64}'}/json$")


@pytest.fixture
def clock(engine):
    engine.set_clock(0)                         # its answers carry a Date, as every engine's do


def test_no_probe_any_more_is_told_once(engine, clock, autoheal):
    web = engine.add("web", labels=LABEL, interval=1, timeout=1)
    for ago in (64, 63, 62, 61, 60):
        probed(web, ago, output="x" * 4096)
    ah = autoheal(engine, **EVERY_SECOND)
    told = ah.wait_event("stale_probe", "web", timeout=15)
    assert told["status"] == "stale" and told["container_id"] == web.id
    assert "No probe has ended for 6" in told["message"] and "restart the container" in told["message"]
    assert ah.log_lines(r"WARNING - Container 'web'.*stale_probe")
    audits(engine, 3)
    assert len(ah.events("stale_probe")) == 1
    left_alone(engine, ah, web)
    assert ah.container("web")["phase"] == "watching"

    looks = len(inspects(engine, web))
    probed(web)
    engine.wait_request("GET", f"^/containers/{web.id}/json$", looks + 2)
    ah.wait_event("stale_probe", "web", timeout=15, count=2)    # and again no more
    left_alone(engine, ah, web)


@pytest.mark.parametrize("why", ["probed", "interval", "timeout", "no date", "no check"])
def test_what_is_probed_is_not_told(engine, autoheal, why):
    """As an interval of 30 s has it, or a probe that may take a minute; and where nobody can know."""
    if why != "no date":
        engine.set_clock(0)
    web = engine.add("web", labels=LABEL, interval=20 if why == "interval" else 1, timeout=60 if why == "timeout" else 1,
                     healthcheck=why != "no check")
    probed(web, 40)
    ah = autoheal(engine, **EVERY_SECOND)
    for _ in range(6):
        if why == "probed":
            probed(web)
        audits(engine, 1)
    assert why == "no check" or len(inspects(engine, web)) >= 5
    assert not ah.events("stale_probe")


def test_an_audit_looks_at_ten_in_turn(engine, clock, autoheal):
    many = [engine.add(f"c{i}", labels=LABEL, interval=60) for i in range(25)]
    for container in many:
        probed(container)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="2")
    engine.wait_request("GET", "^/containers/json$", 4, 15)
    ah.wait_event("auto_monitor", "c0")
    lists = [r.time for r in engine.requests("GET", "^/containers/json$")]
    looks = [r for r in inspects(engine) if r.time < lists[3]]
    for begin, end in zip(lists, lists[1:4]):
        assert sum(begin <= r.time < end for r in looks) == 10
    assert {r.path for r in looks} == {f"/containers/{c.id}/json" for c in many}

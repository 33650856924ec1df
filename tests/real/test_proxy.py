"""Behind a socket proxy: rights that are missing are named, idle cuts cost nothing, an impatient proxy is no failure."""
import os
import re
import time

import pytest

import proxy as socket_proxy
from conftest import wait_audits
from engine import DEAF, wait
from proxy import SocketProxy

LABEL = {"autoheal": "true"}
# The least that each needs.
RIGHTS = {"tecnativa": {"CONTAINERS": 1, "POST": 1}, "linuxserver": {"CONTAINERS": 1, "ALLOW_RESTARTS": 1, "ALLOW_START": 1}}


@pytest.fixture
def proxy(engine, tmp_path):
    """proxy(kind, **SocketProxy's keywords)"""
    if not socket_proxy.program():
        pytest.fail("no haproxy here: apt-get install haproxy (SKIP_REAL=1 leaves these tests out)", pytrace=False)
    made = []

    def start(kind, **kw):
        made.append(SocketProxy(engine, tmp_path, kind, **kw))
        return made[-1]

    yield start
    for p in made:
        p.close()
        print("---- the log of haproxy:\n" + p.log_path.read_text()[-4000:])


def restarts(container):
    return len(container.events(actions=("restart",)))


def heal(service, container, count):
    """It falls sick; exactly one restart more heals it."""
    container.sick()
    service.wait_event("recovered", container.name, timeout=20, count=count)
    assert restarts(container) == count
    assert len(service.events("restart", container.name)) == count


@pytest.mark.parametrize("kind", RIGHTS)
def test_a_heal_through_a_proxy(engine, autoheal, proxy, kind):
    """With the rights that are documented, and not one more; nothing was refused."""
    web = engine.run("web", labels=LABEL)
    web.wait_health("healthy")
    front = proxy(kind, **RIGHTS[kind])
    service = autoheal(front.host)
    heal(service, web, 1)
    wait_audits(service, 1)
    assert front.requests() and not [r for r in front.requests() if r[2] == "403"]


def open_files(service):
    return len(os.listdir(f"/proc/{service.pid}/fd"))


def own_memory(service):
    with open(f"/proc/{service.pid}/status", encoding="ascii") as f:
        return int(re.search(r"RssAnon:\s+(\d+) kB", f.read()).group(1))


@pytest.mark.parametrize("keep_alive", ["10s", "1s"])
def test_idle_cuts_cost_nothing(engine, autoheal, proxy, keep_alive):
    """A proxy that cuts whatever says nothing for 2 s: each illness is healed by one restart, the cuts make one pair of
    events and hardly a line of log, memory and descriptors stay as they are."""
    web = engine.run("web", labels=LABEL)
    web.wait_health("healthy")
    front = proxy("tecnativa", idle="2s", keep_alive=keep_alive, **RIGHTS["tecnativa"])
    service = autoheal(front.host, AUTOHEAL_INTERVAL="30", AUTOHEAL_LOG_LEVEL="INFO", AUTOHEAL_COOLDOWN="0",
                       AUTOHEAL_BACKOFF="false", AUTOHEAL_MAX_RESTARTS="0")
    heal(service, web, 1)
    wait(lambda: front.cuts() >= 1, 15, "the first cut")
    wait(lambda: service.get("/health").json()["docker_connected"], 5, "the stream to stand again")
    memory, files, events, lines = own_memory(service), open_files(service), len(service.events()), service.log().count("\n")
    cuts = front.cuts()
    wait(lambda: front.cuts() >= cuts + 3, 20, "three cuts more")
    assert service.get("/health").status == 200
    assert len(service.events()) - events <= 2, service.events()
    assert service.log().count("\n") - lines <= 2, service.log()
    assert own_memory(service) - memory <= 16
    wait(lambda: open_files(service) <= files, 5, f"{files} descriptors as before")
    heal(service, web, 2)
    assert len(service.events("engine_lost")) == 1
    assert service.get("/api/status", token=True).json()["engines"][0]["reconnects"] >= 4


MISSING = {
    "tecnativa": ("POST=1", {"CONTAINERS": 1, "ALLOW_RESTARTS": 1}, {"POST": 1}),
    "linuxserver": ("ALLOW_RESTARTS=1", {"CONTAINERS": 1}, {"ALLOW_RESTARTS": 1}),
}


@pytest.mark.parametrize("kind", MISSING)
def test_the_right_to_restart_is_missing(engine, autoheal, proxy, kind):
    """403 on the restart: the message names the right, back-off and no loop, and it heals once the right is granted."""
    right, granted, remedy = MISSING[kind]
    web = engine.run("web", labels=LABEL)
    web.wait_health("healthy")
    front = proxy(kind, **granted)
    service = autoheal(front.host, AUTOHEAL_BACKOFF_INITIAL="3", AUTOHEAL_COOLDOWN="0")
    web.sick()
    message = service.wait_event("restart", "web", timeout=15, status="failure")["message"]
    assert "403" in message and right in message
    assert not re.search(r"(CONTAINERS|EVENTS|VERSION|ALLOW_START)=", message)
    wait_audits(service, 1)
    refused = [r for r in front.requests("POST") if r[2] == "403"]
    assert 1 <= len(refused) <= 2 and restarts(web) == 0
    front.configure(**remedy)
    service.wait_event("recovered", "web", timeout=30)
    assert restarts(web) == 1


@pytest.mark.parametrize("right", ["VERSION", "EVENTS", "CONTAINERS"])
def test_a_right_to_read_is_missing(engine, autoheal, proxy, right):
    """One sentence names the one right; the service goes on trying, quietly, and works as soon as it is granted."""
    web = engine.run("web", labels=LABEL)
    web.wait_health("healthy")
    front = proxy("linuxserver", **{**RIGHTS["linuxserver"], right: 0})
    service = autoheal(front.host, ready=False).wait_up()
    line = service.wait_log(r"forbids GET /\S+ \(403").string
    assert re.findall(r"\b[A-Z_]+=1", line) == [right + "=1"]
    wait(lambda: len([r for r in front.requests() if r[2] == "403"]) >= 3, 15, "three tries")
    assert service.get("/health").status == 503 and right + "=1" in service.get("/health").json()["reason"]
    assert len(service.log_lines(r"- (WARNING|ERROR) - ")) <= 3, service.log()
    assert len(service.events()) <= 3, service.events()
    front.configure(**{right: 1})
    service.wait_ready(20)
    heal(service, web, 1)


def test_a_right_is_revoked_and_granted_again(engine, autoheal, proxy):
    """Somebody changes the proxy while autoheal runs."""
    web = engine.run("web", labels=LABEL)
    web.wait_health("healthy")
    front = proxy("tecnativa", **RIGHTS["tecnativa"])
    service = autoheal(front.host)
    front.configure(EVENTS=0)
    service.wait_event("engine_lost", timeout=10)
    service.wait_log(r"forbids GET /events \(403, .*EVENTS=1", timeout=10)
    front.configure(EVENTS=1)
    service.wait_event("engine_connected", timeout=20, count=2)
    heal(service, web, 1)


def test_a_proxy_that_does_not_wait_for_the_stop(engine, autoheal, proxy):
    """The stop takes longer than the proxy waits for an answer: its 504 says nothing of the restart, which goes on and
    succeeds. One restart, and no failure told."""
    slow = engine.run("slow", labels=LABEL, cmd=DEAF, stop_timeout=4)
    slow.wait_health("healthy")
    wait(lambda: time.time_ns() - slow.started() > 2e9, 10, "a start that cannot be taken for the restart's")
    front = proxy("tecnativa", idle="2s", **RIGHTS["tecnativa"])
    service = autoheal(front.host, AUTOHEAL_BACKOFF_INITIAL="1", AUTOHEAL_COOLDOWN="0")
    slow.sick()
    service.wait_event("recovered", "slow", timeout=30)
    assert [r[2] for r in front.requests("POST")] == ["504"]
    assert restarts(slow) == 1
    assert [e["status"] for e in service.events("restart", "slow")] == ["success"]

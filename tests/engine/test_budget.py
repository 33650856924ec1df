"""Few descriptors: everything is done all the same, in turns, and nobody takes what a heal needs."""
import contextlib
import os
import re
import resource
import shutil
import socket
import time

import pytest

import harness
from steps import LABEL, fence, statuses

pytestmark = pytest.mark.skipif(not shutil.which("prlimit"), reason="no prlimit")
LEAST = 27                                      # for one engine
NO_RESOURCES = r"(?i)too many|no file descriptors|no memory"


def under(limit):
    return {"wrapper": ["prlimit", f"--nofile={limit}"]}


def soft_limit(pid):
    with open(f"/proc/{pid}/limits") as f:
        return int(re.search(r"^Max open files\s+(\d+)", f.read(), re.M).group(1))


def descriptors(pid):
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        return sum(map(int, f.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def restarted(engine):
    """The ids of what was restarted, in order."""
    return [r.path.split("/")[2] for r in engine.posts()]


@pytest.mark.parametrize("limit", [LEAST, 64])
def test_all_are_healed_in_turns(engine, autoheal, limit):
    """Forty fall sick at once; the API answers while they are healed."""
    all = [engine.add(f"web{i:02}", labels=LABEL) for i in range(40)]
    ah = autoheal(engine, AUTOHEAL_MAX_PARALLEL="256", AUTOHEAL_STORM="off", **under(limit))
    looks = "^/containers/[0-9a-f]{64}/json$"   # those in turn after the first list: what they find sick comes first
    harness.wait(lambda: sum(bool(r.answered) for r in engine.requests("GET", looks)) == 10, 10, "ten looks")
    engine.sicken(*all)
    engine.wait_restart(all[2])
    assert ah.get("/health").status == 200
    assert len(ah.get("/api/containers?include_stopped=true").json()) == 40
    ah.wait_event("recovered", count=40, timeout=20)
    if limit == LEAST:                          # one at a time, in the order in which they fell sick
        assert restarted(engine) == [c.id for c in all]
    else:
        assert sorted(restarted(engine)) == sorted(c.id for c in all)
    assert not ah.log_lines(NO_RESOURCES)


def test_clients_of_the_api_do_not_take_what_a_heal_needs(engine, autoheal):
    """As many as there may be hold their connections in the middle of a request; one more is told, and a heal goes out."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **under(LEAST))
    with contextlib.ExitStack() as open_ones:
        refused = []
        while not refused:                      # one whose first bytes have not been read yet counts as idle, and makes room
            s = open_ones.enter_context(socket.create_connection(("127.0.0.1", ah.port), 0.3))
            with contextlib.suppress(OSError):
                s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
                refused += statuses(s.recv(4096))
        assert refused == [503]
        assert len(descriptors(ah.pid)) <= LEAST
        engine.sicken(web)
        engine.wait_restart(web)
    harness.wait(lambda: ah.get("/health").status == 200, what="an answer when they have left")
    ah.wait_event("recovered", "web")
    assert not ah.log_lines(NO_RESOURCES)


def test_an_engine_that_hangs_leaves_slots_to_another(make_engine, autoheal):
    """Thirty restarts of one engine never answer; the other's first one leaves at once, and all of its own are done."""
    hung, well = make_engine(), make_engine()
    stuck = [hung.add(f"stuck{i}", labels=LABEL) for i in range(30)]
    fine = [well.add(f"fine{i}", labels=LABEL) for i in range(10)]
    hung.fault("POST", "/restart$", black_hole=True)
    ah = autoheal(None, AUTOHEAL_HOSTS=f"hung={hung.url},well={well.url}", AUTOHEAL_MAX_PARALLEL="256",
                  AUTOHEAL_STORM="off", **under(40))
    ah.wait_log("Event listener started")
    harness.wait(lambda: len([e for e in ah.events("engine_connected")]) == 2, what="both engines")
    hung.sicken(*stuck)
    hung.wait_request("POST", "/restart$", 2)
    well.sicken(*fine)
    for container in fine:
        ah.wait_event("recovered", container.name)
    assert len(hung.posts()) < 30
    assert not ah.log_lines(NO_RESOURCES)


@pytest.mark.first
def test_without_a_descriptor_it_waits_asleep(engine, autoheal):
    """The system has none left, as when all its files are open: neither a client nor a heal spins, and both have their turn."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    fence(engine, ah)
    limit = resource.prlimit(ah.pid, resource.RLIMIT_NOFILE)
    idle = 3 + 2 + 2 + 1 + 1                    # standard streams, signals, listeners, the event stream, statm
    harness.wait(lambda: len(descriptors(ah.pid)) == idle, what="the ends of all other connections")
    resource.prlimit(ah.pid, resource.RLIMIT_NOFILE, (min(set(range(idle + 1)) - descriptors(ah.pid)), limit[1]))
    with socket.create_connection(("127.0.0.1", ah.port), 10) as client:
        client.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        engine.sicken(web)
        ah.wait_log("could not be restarted, the request did not reach the engine")
        before = cpu_seconds(ah.pid)
        time.sleep(1.5)
        assert cpu_seconds(ah.pid) - before < 0.5
        resource.prlimit(ah.pid, resource.RLIMIT_NOFILE, limit)
        assert statuses(client.recv(4096)) == [200]
    engine.wait_restart(web, timeout=12)
    ah.wait_event("recovered", "web")


def test_the_soft_limit_is_raised(engine, autoheal):
    """`ulimit -n` is a default that anybody may raise up to the hard limit: nobody need care."""
    ah = autoheal(engine, AUTOHEAL_LOG_LEVEL="DEBUG", wrapper=["prlimit", "--nofile=20:300"])
    assert soft_limit(ah.pid) == 300
    ah.wait_log("Of 300 descriptors: at most ")


@pytest.mark.parametrize("limit", [16, LEAST - 1])
def test_too_few_end_the_start_with_the_remedy(limit):
    """EX_OSERR, and one sentence: how many there are, how many it takes, and how to give them."""
    done = harness.run(f"--nofile={limit}", str(harness.binary()), program=shutil.which("prlimit"), timeout=10,
                       DOCKER_HOST="unix:///nonexistent", AUTOHEAL_LISTEN="off", AUTOHEAL_INSTANCE=f"few{os.getpid()}")
    assert done.returncode == 71 and len(done.stderr.splitlines()) == 1
    for word in ("RLIMIT_NOFILE", str(limit), str(LEAST), "ulimit -n", "--ulimit nofile"):
        assert word in done.stderr

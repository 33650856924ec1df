"""Memory runs out: any one allocation is refused, or several in a row. No crash, no leak (the sanitizers look), a clean
refusal to start or a service that starts; an API call is answered or its connection closed; and heals go on.

The binary is build/san/autoheal-oom: failing_allocator.c stands around its malloc, calloc and realloc.
"""
import http.client
import mmap
import shutil
import struct

import pytest

import harness
from receiver import Receiver
from steps import LABEL, QUICK, healed
from test_tls import site  # noqa: F401

PROGRAM = harness.ROOT / "build/san/autoheal-oom"
pytestmark = pytest.mark.skipif(harness.binary().parent != PROGRAM.parent or not PROGRAM.is_file(),
                                reason="only with the test binary (make san)")
PARTS = 6


class Allocations:
    """The shared file by which allocations are refused."""

    def __init__(self, path):
        path.write_bytes(bytes(16))
        self.path = str(path)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 16)

    def refuse(self, after, run=1):
        """The after-th from now on, and those that follow it, `run` in all; 0: none any more."""
        self.map[:8] = struct.pack("II", after, run)

    @property
    def calls(self):
        return struct.unpack("I", self.map[8:12])[0]

    @property
    def failed(self):
        return struct.unpack("I", self.map[12:16])[0]


@pytest.fixture
def memory(tmp_path):
    return Allocations(tmp_path / "allocations")


def answers(ah):
    try:
        return ah.get("/health").status
    except (OSError, http.client.HTTPException):
        return None


def ends_well(ah, name):
    """Whether the heal is proven: a second illness is another one."""
    try:
        answer = ah.get(f"/api/containers/{name}", token=True)
        return answer.status == 200 and answer.json()["phase"] == "watching"
    except (OSError, http.client.HTTPException):
        return False


def heal(engine, ah, container, count, timeout=15.0):
    """It falls sick until it is restarted: an event that found no memory is an event that an audit finds."""
    engine.sicken(container)
    engine.wait_restart(container, count, timeout)
    harness.wait(lambda: ends_well(ah, container.name), timeout, "the proof of its health")


@pytest.mark.first
@pytest.mark.parametrize("part", range(PARTS))
def test_a_start_without_memory(engine, autoheal, memory, tmp_path, part):
    """Every allocation from the start to the first heal, one by one: it ends with a sentence, or comes up and heals."""
    web = engine.add("web", labels=LABEL)
    made, after, ends = 0, 1 + part, 0
    known = tmp_path / "known"
    known.mkdir()
    first = autoheal(engine, AUTOHEAL_DATA_DIR=str(known), **QUICK)
    heal(engine, first, web, 1)
    assert first.stop() == 0
    while True:
        memory.refuse(after)
        failed = memory.failed
        folder = shutil.copytree(known, tmp_path / f"data-{after}")
        ah = autoheal(engine, ready=False, program=PROGRAM, FAILING_ALLOCATIONS=memory.path, AUTOHEAL_INTERVAL="1",
                      AUTOHEAL_DATA_DIR=str(folder), **QUICK)
        harness.wait(lambda: not ah.alive() or answers(ah), 20, "its start or its end", 0.02)
        if ah.alive():
            made += 1
            heal(engine, ah, web, 1 + made)
            assert ah.stop() == 0
        else:
            ends += 1
            assert ah.wait_exit() in (1, 71, 78), ah.log()
            assert len(ah.log_lines("memory")) >= 1, ah.log()
        if memory.failed == failed:             # there are no more than these
            break
        after += PARTS
    assert made > 3 and after > 5 * PARTS, (made, ends, after)
    assert len(engine.restarts(web)) == 1 + made


def each_allocation(engine, ah, web, memory, run):
    """Every allocation of a heal, from its event to its proof; `run` of them in a row."""
    count, after = 0, 0
    while True:
        count, after = count + 1, after + 1
        failed = memory.failed
        memory.refuse(after, run)
        heal(engine, ah, web, count)
        if memory.failed == failed and after > 12:
            break
        assert after < 400
    memory.refuse(0)
    heal(engine, ah, web, count + 1)
    assert ah.stop() == 0


@pytest.mark.first
@pytest.mark.parametrize("run", [1, 5])
def test_a_heal_without_memory(engine, autoheal, memory, run):
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, program=PROGRAM, FAILING_ALLOCATIONS=memory.path, AUTOHEAL_INTERVAL="1", **QUICK)
    each_allocation(engine, ah, web, memory, run)


@pytest.mark.first
def test_a_heal_over_tls_with_all_that_may_follow(site, autoheal, memory, tmp_path):  # noqa: F811
    """Handshakes, spares, evidence, what hangs on it, notices, the disk."""
    s = site()
    s.engine.add("guest", network_mode=f"container:{s.web.id}", healthcheck=False, up=200.0)
    (tmp_path / "data").mkdir()
    with Receiver() as post:
        ah = autoheal(s.engine, program=PROGRAM, FAILING_ALLOCATIONS=memory.path, AUTOHEAL_INTERVAL="1", **QUICK, **s.settings,
                      AUTOHEAL_DATA_DIR=str(tmp_path / "data"), AUTOHEAL_NOTIFY=post.url(), AUTOHEAL_NOTIFY_EVENTS="all")
        each_allocation(s.engine, ah, s.web, memory, 1)
        assert post.log


CALLS = [("GET", "/health", None), ("GET", "/api", None), ("GET", "/api/status", None), ("GET", "/api/containers", None),
         ("GET", "/api/containers?include_stopped=true", None), ("GET", "/api/containers/web", None),
         ("GET", "/api/containers/web/explain", None), ("GET", "/api/events", None), ("GET", "/api/containers/web/incidents", None),
         ("GET", "/api/config", None), ("GET", "/metrics", None), ("GET", "/", None),
         ("POST", "/api/containers/select", {"container_ids": ["web"], "enabled": True}),
         ("POST", "/api/maintenance/enable", {"for": "1s"}), ("DELETE", "/api/events", None)]


@pytest.mark.first
@pytest.mark.parametrize("method,path,body", CALLS, ids=[f"{m} {p}" for m, p, _ in CALLS])
def test_a_call_without_memory(engine, autoheal, memory, method, path, body):
    """Every allocation of an answer: it comes, or the connection ends, or it says 5xx; the next call is answered as ever."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, program=PROGRAM, FAILING_ALLOCATIONS=memory.path, AUTOHEAL_INTERVAL="3600", **QUICK)
    usual = ah.request(method, path, body=body, token=True).status
    assert usual < 500
    for after in range(1, 200):
        failed = memory.failed
        memory.refuse(after)
        try:
            status = ah.request(method, path, body=body, token=True).status
            assert status == usual or status >= 500, status
        except (ConnectionError, http.client.HTTPException):
            pass                                # it ended without an answer, or amid one
        missed = memory.failed == failed
        memory.refuse(0)
        if missed:
            break
        assert ah.request(method, path, body=body, token=True).status == usual
    assert after > 1, "none was refused"
    engine.sicken(web)
    healed(engine, ah, web)
    assert ah.stop() == 0


@pytest.mark.first
def test_a_change_without_memory(engine, autoheal, memory):
    """Members and choices of one body hold both, or none; what is answered with 200 holds."""
    ah = autoheal(engine, program=PROGRAM, FAILING_ALLOCATIONS=memory.path, AUTOHEAL_INTERVAL="3600", **QUICK)
    for after in range(1, 200):
        name, failed, status = f"new-{after}", memory.failed, None
        label = f"label-{after}"
        memory.refuse(after)
        try:
            status = ah.put("/api/config", {"monitor": {"label_key": label}, "containers": {"selected": [name]}}).status
        except (ConnectionError, http.client.HTTPException):
            pass
        missed = memory.failed == failed
        memory.refuse(0)
        config = ah.get("/api/config", token=True).json()
        assert (config["containers"]["selected"] == [name]) == (config["monitor"]["label_key"] == label), (after, status)
        assert status != 200 or config["monitor"]["label_key"] == label
        if missed:
            break
    assert after > 3 and status == 200
    assert ah.stop() == 0

"""What an engine may do to each of our calls, and when: after every fault two containers are healed, each exactly once.

The matrix is call x fault x moment. What stands elsewhere is not said again: a restart that is never answered or refused
(test_heal), hosts that vanish and engines that are frozen (test_black_hole), garbage before everything (test_nonsense).
Stated for each: the service lives, both illnesses end healed within seconds, the engine was made to restart each container
once, and /health is well again.
"""
import os
import resource
import signal
import socket
import struct
import threading
import time

import pytest

import harness
from steps import LABEL, fence, sick_and_healed

CALLS = {"version": ("GET", "^/version$"), "events": ("GET", "^/events$"), "list": ("GET", "^/containers/json$"),
         "inspect": ("GET", "^/containers/[^/]+/json$"), "restart": ("POST", "/restart$")}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SETTINGS = {"AUTOHEAL_COOLDOWN": "0", "AUTOHEAL_MAX_RESTARTS": "0", "AUTOHEAL_BACKOFF": "false", "AUTOHEAL_INTERVAL": "1",
            "CURL_TIMEOUT": "1"}


def reset(engine):
    """The connection of a request is reset (RST), not closed."""
    def do(request):
        with engine.lock:
            link = engine.connections[request.connection]
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return {"also": do, "garbage": b""}


def refused(engine):
    """The daemon leaves: this connection ends, and for a while none is taken."""
    def do(request):
        def away():
            engine.stop()
            time.sleep(0.5)
            engine.start()
        threading.Thread(target=away, daemon=True).start()
    return {"also": do, "before": 0.1, "garbage": b""}


FAULTS = {
    "refused": refused, "reset": reset,
    "black hole": lambda _: {"black_hole": True},
    "byte by byte": lambda _: {"cuts": range(1, 400), "pause": 0.001},
    "truncated": lambda _: {"garbage": HEAD + b'Content-Length: 400\r\n\r\n[{"Id":"'},
    "wrong chunks": lambda _: {"garbage": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[{}]{{}}\r\n1g\r\n"},
    "500s": lambda _: {"status": 500, "body": {"message": "database is locked"}},
    "nonsense": lambda _: {"status": 200, "body": b'"OK"\n\x00\x1b[2J'},
}
# An inspect is asked for, and a restart sent, when somebody falls sick: the two moments are one.
MOMENTS = {"version": ("start", "idle", "heal"), "events": ("start", "idle", "heal"), "list": ("start", "idle", "heal"),
           "inspect": ("start", "idle"), "restart": ("idle",)}
TIMES = {"500s": 3}                             # a storm; of the others two in a row
# A 200 is the answer of some proxies to a restart that was done (test_nonsense), and what hangs may be a slow stop.
LEFT_OUT = {("restart", "nonsense"), ("restart", "black hole")}
MATRIX = [(call, fault, moment) for call in CALLS for fault in FAULTS for moment in MOMENTS[call]
          if (call, fault) not in LEFT_OUT]


def done(engine, container):
    """How often the engine restarted or started it."""
    with engine.lock:
        return sum(e["action"] == "start" and e["id"] == container.id for e in engine.ring)


def well(engine, ah, web, db):
    """Both end healed, once each, and the service says that it is well."""
    for container in (web, db):
        harness.wait(lambda c=container: done(engine, c) and c.health == "healthy", 30, f"the heal of {container.name}")
    harness.wait(lambda: ah.get("/health").status == 200, 20, "/health", 0.05)
    fence(engine, ah)
    fence(engine, ah)
    assert (done(engine, web), done(engine, db)) == (1, 1)
    assert ah.alive()


@pytest.mark.parametrize("call,fault,moment", MATRIX, ids=["-".join(row).replace(" ", "_") for row in MATRIX])
def test_matrix(make_engine, autoheal, call, fault, moment):
    engine = make_engine(tcp=fault == "reset", socket_path=None) if fault == "reset" else make_engine()
    web = engine.add("web", labels=LABEL, stop_seconds=0.3 if moment == "heal" else 0)
    db = engine.add("db", labels=LABEL)
    if call == "restart":                       # a lost answer is waited for as long as a stop may take, and 10 s
        web.stop_timeout = db.stop_timeout = 1
    how = {**FAULTS[fault](engine), "times": TIMES.get(fault, 2)}
    if moment == "start":
        wrong = engine.fault(*CALLS[call], **how)
        if call == "inspect":
            web.health, web.streak = "unhealthy", 3
        ah = autoheal(engine, ready=False, **SETTINGS).wait_up()
        harness.wait(lambda: wrong.hits, 10, "the fault")
        ah.wait_ready(20)
        if call != "inspect":
            engine.sicken(web)
    else:
        ah = autoheal(engine, **SETTINGS)
        if moment == "heal":
            engine.sicken(web)
            engine.wait_restart(web)
        wrong = engine.fault(*CALLS[call], **how)
        if call in ("version", "events"):
            engine.drop_streams()               # an audit comes by itself, each second
        if call == "version":                   # it is asked for where another daemon may have come
            engine.stop()
            engine.start()
        if call in ("inspect", "restart"):
            web.health, web.streak = "unhealthy", 3
            engine.sicken(web)
        harness.wait(lambda: wrong.hits, 10, "the fault")
        if moment == "idle" and call not in ("inspect", "restart"):
            engine.sicken(web)
    engine.sicken(db)
    well(engine, ah, web, db)


# ---- the process itself

def test_a_hang_up_is_no_reason_to_end(engine, autoheal):
    """SIGHUP comes when a terminal closes; nothing is read anew by it, and nothing is lost."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    for _ in range(3):
        os.kill(ah.pid, signal.SIGHUP)
        fence(engine, ah)
    sick_and_healed(engine, ah, web)
    assert done(engine, web) == 1


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.long)])
def test_stopped_amid_a_heal(engine, autoheal, seconds):
    """SIGSTOP while one restart is under way, with another illness and a cut meanwhile: after SIGCONT each is healed once."""
    web, db = engine.add("web", labels=LABEL, stop_seconds=0.5), engine.add("db", labels=LABEL)
    ah = autoheal(engine, **{**SETTINGS, "CURL_TIMEOUT": "30"})
    engine.sicken(web)
    engine.wait_restart(web)
    os.kill(ah.pid, signal.SIGSTOP)
    engine.sicken(db)
    engine.drop_streams()
    time.sleep(seconds)
    os.kill(ah.pid, signal.SIGCONT)
    well(engine, ah, web, db)


def test_out_of_descriptors_in_the_middle_of_everything(engine, autoheal, tmp_path):
    """The limit falls to what is open (EMFILE in socket(), accept() and pipe()), and rises again: each is healed once."""
    web, db = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL)
    (tmp_path / "data").mkdir()
    ah = autoheal(engine, AUTOHEAL_DATA_DIR=str(tmp_path / "data"), **SETTINGS)
    fence(engine, ah)
    limit = resource.prlimit(ah.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(ah.pid, resource.RLIMIT_NOFILE, (3, limit[1]))
    engine.sicken(web)
    engine.drop_streams()
    engine.sicken(db)
    ah.wait_log(" (WARNING|ERROR) ", 10)
    time.sleep(1)
    assert not engine.posts()
    resource.prlimit(ah.pid, resource.RLIMIT_NOFILE, limit)
    well(engine, ah, web, db)

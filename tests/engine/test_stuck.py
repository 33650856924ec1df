"""The service itself hangs or is blind: it ends, so that whoever started it starts it anew; merely stopped, it goes on."""
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import harness
from steps import LABEL, QUICK, audits, fence, sick_and_healed

NAMESPACES = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter"),
                                reason="needs root, unshare and nsenter")


def dead_socket(path):
    """A socket's file whose listener is gone, as a bind mount shows it when the engine has made a new one."""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        s.listen(1)
    return f"unix://{path}"


def first_process(**kw):
    """The service as pid 1, as in a container."""
    return {"wrapper": ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"], **kw}


def test_a_socket_made_anew_is_found(make_engine, autoheal, tmp_path):
    """Outside of a container the path leads to the new socket: refused at first, it only has to wait."""
    path = tmp_path / "engine.sock"
    ah = autoheal(dead_socket(path), ready=False)
    ah.wait_log("cannot be reached")
    path.unlink()
    engine = make_engine(socket_path=path)
    web = engine.add("web", labels=LABEL)
    ah.wait_ready(20)
    sick_and_healed(engine, ah, web)


def test_a_short_stop_is_no_matter(engine, autoheal):
    """SIGSTOP and SIGCONT, as a debugger or `docker pause` would."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    fence(engine, ah)
    os.kill(ah.pid, signal.SIGSTOP)
    engine.sicken(web)
    os.kill(ah.pid, signal.SIGCONT)
    engine.wait_restart(web)
    ah.wait_event("recovered", "web")
    assert ah.alive()


@pytest.mark.long
def test_stopped_for_longer_than_both_alarms_it_goes_on(engine, autoheal):
    """The first alarm comes when it goes on, and the second one finds it at work."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="2", **QUICK)
    os.kill(ah.pid, signal.SIGSTOP)
    time.sleep(70)
    os.kill(ah.pid, signal.SIGCONT)
    sick_and_healed(engine, ah, web)
    time.sleep(35)
    assert ah.alive()
    sick_and_healed(engine, ah, web, 2)


@pytest.mark.long
@NAMESPACES
def test_a_turn_that_hangs_ends_it(make_engine, autoheal, tmp_path):
    """Its hosts file becomes one that is never read to an end (a FIFO), and then it must look its engine's name up."""
    engine = make_engine(tcp=True)
    ah = autoheal(engine.url.replace("127.0.0.1", "localhost"), wrapper=["unshare", "--mount"], AUTOHEAL_INTERVAL="2")
    fifo = tmp_path / "hosts"
    os.mkfifo(fifo)
    audits(engine)
    subprocess.run(["nsenter", "-t", str(ah.pid), "-m", "mount", "--bind", str(fifo), "/etc/hosts"], check=True)
    before = time.monotonic()
    engine.drop_streams()
    assert ah.wait_exit(130) == 70
    assert 55 < time.monotonic() - before
    ah.wait_log("a turn of its loop hangs")


@pytest.mark.long
@NAMESPACES
def test_refused_for_ten_minutes_the_first_process_ends(autoheal, tmp_path):
    """69: the restart policy mounts the socket anew. Another process would not gain by that, and goes on."""
    host = dead_socket(tmp_path / "engine.sock")
    other = autoheal(host, ready=False)
    ah = autoheal(host, ready=False, **first_process())
    before = time.monotonic()
    assert ah.wait_exit(700) == 69
    assert 595 < time.monotonic() - before < 640
    ah.wait_log("mounts it anew")
    harness.wait(other.up, 5, "the other to answer")

"""An engine that is gone without a word: no FIN, no reset, no answer."""
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from far_host import FarHost
from steps import LABEL, QUICK, healed, sick_and_healed

INTERVAL = 6
ODDS = 4                    # what a busy machine may add


@pytest.fixture
def far():
    host = FarHost()
    yield host
    host.close()


@pytest.mark.first
@pytest.mark.parametrize("cut,mend", [(FarHost.unplug, FarHost.plug_in), (FarHost.swallow, FarHost.deliver)])
def test_a_host_that_vanishes(far, make_engine, autoheal, cut, mend):
    """The cable is pulled, or a firewall drops every packet: the open stream says nothing of it. It is noticed and told
    within one audit interval, told once, and the API goes on; when the host is back, what fell sick meanwhile is healed,
    though no event ever told of it."""
    engine = make_engine(tcp=True, address=far.address, inside=far)
    web, db = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_INTERVAL=INTERVAL, AUTOHEAL_RECOVERY_TIMEOUT="30", **QUICK)
    sick_and_healed(engine, ah, web)
    cut(far)
    lost = ah.wait_event("engine_lost", timeout=INTERVAL + ODDS)
    assert lost["status"] == "lost" and lost["message"]
    assert ah.get("/health").json()["docker_connected"] is False
    engine.set_health(db, "unhealthy", event=False)
    engine.ring.clear()
    # a second try has failed, too: it is told once
    ah.wait_log("cannot be reached", timeout=25)
    harness.wait(lambda: ah.get("/health").status == 503, 20, "/health to say so")
    assert ah.get("/health").json()["reason"]
    assert len(ah.events("engine_lost")) == 1 and len(ah.events("engine_connected")) == 1
    mend(far)
    healed(engine, ah, db, timeout=25)
    ah.wait_event("engine_connected", count=2)
    ah.wait_ready()
    assert len(engine.restarts(web)) == 1 and len(engine.restarts(db)) == 1


@pytest.mark.first
def test_a_host_that_vanishes_during_a_restart(far, make_engine, autoheal):
    """The request had left when the host vanished, and the engine did as it was told: one restart, not two."""
    engine = make_engine(tcp=True, address=far.address, inside=far)
    web = engine.add("web", labels=LABEL, stop_seconds=1)
    ah = autoheal(engine, AUTOHEAL_INTERVAL=INTERVAL, **QUICK)
    engine.sicken(web)
    engine.wait_restart(web)
    far.swallow()
    ah.wait_event("engine_lost", timeout=INTERVAL + ODDS)
    far.deliver()
    ah.wait_event("engine_connected", count=2, timeout=25)
    assert ah.wait_event("recovered", "web", timeout=25)
    assert len(engine.restarts(web)) == 1
    assert [e["status"] for e in ah.events("restart", "web")] == ["success"]


# An engine in a process of its own; each line it reads is an expression, and its value is printed.
PROCESS = """
import json, sys
sys.path[:0] = %r
from scripted_engine import Engine
engine = Engine(**json.loads(sys.argv[1])).start()
web = engine.add("web", labels={"autoheal": "true"}, heals_after=0.2)
print(json.dumps(engine.url), flush=True)
for line in sys.stdin:
    print(json.dumps(eval(line)), flush=True)
"""


class EngineProcess:
    def __init__(self, **kw):
        self.process = subprocess.Popen([sys.executable, "-c", PROCESS % [str(Path(__file__).parent)], json.dumps(kw)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stdout.readline())

    def ask(self, expression):
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(params=["unix", "tcp"])
def frozen_engine(request, tmp_path):
    engine = EngineProcess(socket_path=str(tmp_path / "engine.sock")) if request.param == "unix" else EngineProcess(tcp=True)
    yield engine
    engine.close()


@pytest.mark.first
def test_an_engine_that_is_frozen(frozen_engine, autoheal):
    """The daemon hangs: the kernel accepts and acknowledges in its place, nobody answers. The audit's own deadline
    (CURL_TIMEOUT) finds it out; thawed, it is used as before."""
    engine = frozen_engine
    ah = autoheal(engine.url, AUTOHEAL_INTERVAL="1", CURL_TIMEOUT="2", **QUICK)
    ah.wait_event("auto_monitor", "web")
    engine.process.send_signal(signal.SIGSTOP)
    lost = ah.wait_event("engine_lost", timeout=1 + 2 + ODDS)
    assert "/containers/json" in lost["message"] and "no answer in time" in lost["message"]
    harness.wait(lambda: ah.get("/health").status == 503, what="/health to say so")
    ah.wait_log("cannot be reached.*no answer in time", timeout=15)
    assert len(ah.events("engine_lost")) == 1
    engine.process.send_signal(signal.SIGCONT)
    ah.wait_event("engine_connected", count=2, timeout=25)
    engine.ask("engine.sicken(web)")
    ah.wait_event("recovered", "web", timeout=10)
    assert engine.ask("len(engine.restarts(web))") == 1

"""What is asked of an engine is what docs/engines.md says, no less and no more (and see make_engine in conftest.py)."""
import re

import harness
from endpoints import documented, endpoint, undocumented
from engine_wire import Request
from steps import LABEL, QUICK, audits


def test_every_request_of_the_table_is_sent(engine, autoheal):
    """A heal, a proof by inspect, a restart that leaves its container down, a stop and a kill by label, a command as a
    probe: all of the table, and nothing else."""
    web, late, broken = (engine.add(name, labels=LABEL) for name in ("web", "late", "broken"))
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1", **{**QUICK, "AUTOHEAL_BACKOFF": "true", "AUTOHEAL_BACKOFF_INITIAL": "1"})
    engine.start_container("probed", healthcheck=False,
                           labels={**LABEL, "autoheal.check.exec": "true", "autoheal.check.interval": "1"})
    engine.sicken(web)
    engine.set_health(late, "unhealthy", event=False)
    broken.start_error = "driver failed: port is allocated"
    engine.sicken(broken)
    ah.wait_event("restart", "broken", status="failure")
    broken.start_error = None
    engine.sicken(*(engine.start_container(name, labels={**LABEL, "autoheal.action": name}) for name in ("stop", "kill")))
    engine.wait_post(engine.find("stop"), "stop")
    for name in ("web", "late", "broken", "kill"):
        ah.wait_event("recovered", name, timeout=10)
    audits(engine)
    engine.wait_request("GET", "^/exec/")
    assert {endpoint(r) for r in engine.log} == set(documented())
    assert len(documented()) == len(set(documented())) == 12


def test_the_version_stands_in_front_of_all_but_version(engine, autoheal):
    autoheal(engine)
    assert {bool(r.version) for r in engine.log if r.path != "/version"} == {True}
    assert {r.version for r in engine.log if r.path == "/version"} == {""}


def test_the_guard_sees_what_is_not_in_the_table():
    """What make_engine asserts after each test would fail for a request that nobody documented."""
    for method, path in (("GET", "/info"), ("HEAD", "/_ping"), ("POST", "/containers/abc/pause"), ("POST", "/containers/json"),
                         ("DELETE", "/containers/abc"), ("GET", "/containers/abc/top"), ("POST", "/containers/create")):
        assert undocumented([Request(method, path, {}, b"", 1)])
    for method, path in (("GET", "/v1.47/containers/abc/json"), ("POST", "/v1.47/containers/abc/restart?t=5"),
                         ("GET", "/version"), ("GET", "/v1.41/events?filters=x")):
        assert not undocumented([Request(method, path, {}, b"", 1)])


def test_the_source_knows_no_other_path():
    """Every path of the engine's API that is written down in the C sources, comments aside."""
    found = set()
    for path in harness.ROOT.glob("*.c"):
        source = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        found |= set(re.findall(r'"(?:/v%s)?(/(?:version|events|containers|exec)[^"?\s]*)', source))
    known = {"/version", "/events", "/containers/json", "/containers/%s/json", "/containers/%s/%s%s",
             "/containers/%s/logs", "/containers/%s/exec", "/exec/%s/start", "/exec/%s/json",
             "/containers/HOSTNAME/json"}       # the last one in a sentence
    assert found == known

"""Which API version is spoken: the trap that took down a dozen tools when engines raised their minimum."""
import pytest

import harness
from engine_wire import version_tuple
from steps import LABEL, sick_and_healed


@pytest.mark.parametrize("minimum,maximum,version", [
    ("1.24", "1.41", "20.10.24"), ("1.12", "1.43", "24.0.7"), ("1.24", "1.44", "25.0.0"), ("1.24", "1.51", "28.5.2"),
    ("1.44", "1.51", "28.5.2"), ("1.44", "1.52", "29.0.0"), ("1.44", "1.53", "29.2.0"), ("1.40", "1.54", "29.3.0"),
    ("1.40", "1.55", "29.6.0"), ("1.40", "1.80", "35.0.0"),
])
def test_a_version_between_the_engines_bounds(make_engine, autoheal, minimum, maximum, version):
    """'client version X is too old' and 'too new': every request names a version that this engine accepts."""
    engine = make_engine(min_api=minimum, api=maximum, version=version)
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    sick_and_healed(engine, ah, web)
    spoken = {r.version for r in engine.log if r.path not in ("/version", "/_ping")}
    assert len(spoken) == 1 and version_tuple(minimum) <= version_tuple(spoken.pop()) <= version_tuple(maximum)
    shown = ah.get("/api/status").json()["engines"][0]
    assert shown["connected"] and version in shown["version"] and shown["host"] == "local"
    assert version_tuple(minimum) <= version_tuple(shown["api_version"]) <= version_tuple(maximum)


def test_an_engine_from_the_far_future(make_engine, autoheal):
    """Its minimum is newer than all we know: either it works, or the refusal is a clear sentence, and no loop."""
    engine = make_engine(min_api="1.99", api="1.99", version="50.0.0")
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, ready=False).wait_up()
    engine.wait_request("GET", "/version")
    harness.wait(lambda: ah.get("/health").status == 200 or ah.log_lines(r"1\.99"), what="work or a word")
    if ah.get("/health").status == 200:
        sick_and_healed(engine, ah, web)
    else:
        assert ah.get("/health").json()["reason"]
        assert len(engine.log) < 20


def test_the_version_can_be_pinned(engine, autoheal):
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, DOCKER_API_VERSION="1.41")
    sick_and_healed(engine, ah, web)
    assert {r.version for r in engine.log if r.path not in ("/version", "/_ping")} == {"1.41"}


def test_a_pinned_version_that_the_engine_refuses(make_engine, autoheal):
    """The log names the variable and what the engine wants; the service keeps trying."""
    engine = make_engine(min_api="1.44", api="1.52")
    ah = autoheal(engine, ready=False, DOCKER_API_VERSION="1.40").wait_up()
    ah.wait_log(r"DOCKER_API_VERSION|too old")
    ah.wait_log(r"1\.44")
    assert ah.get("/health").status == 503
    assert ah.alive()


def test_an_engine_upgraded_underneath(make_engine, autoheal):
    """The daemon is replaced by one whose minimum is above what was agreed: it is negotiated anew."""
    engine = make_engine(min_api="1.24", api="1.43", version="24.0.7")
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    connected = len(ah.events("engine_connected"))
    engine.stop()
    ah.wait_log("lost")
    engine.api, engine.min_api, engine.version = "1.52", "1.44", "29.0.0"
    engine.start()
    ah.wait_event("engine_connected", count=connected + 1, timeout=10)
    sick_and_healed(engine, ah, web)


def test_a_version_answer_without_a_minimum(engine, autoheal):
    """Old proxies and engines leave MinAPIVersion out."""
    web = engine.add("web", labels=LABEL)
    engine.fault("GET", "^/version$", status=200, body={"ApiVersion": "1.41", "Version": "20.10.0"})
    ah = autoheal(engine)
    sick_and_healed(engine, ah, web)
    assert {r.version for r in engine.posts()} == {"1.41"}

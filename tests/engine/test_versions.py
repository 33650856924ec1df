"""Which API version is spoken: the trap that took down a dozen tools when engines raised their minimum."""
import pytest

import harness
from engine_wire import version_tuple
from steps import LABEL, QUICK, audits, fence, healed, left_alone, sick_and_healed

# Version, its newest and its oldest API version; the scripted engine has that version's manners.
ENGINES = [
    ("19.03.15", "1.40", "1.12"), ("20.10.24", "1.41", "1.12"), ("23.0.6", "1.42", "1.12"), ("24.0.9", "1.43", "1.12"),
    ("25.0.5", "1.44", "1.24"), ("26.0.2", "1.45", "1.24"), ("27.0.3", "1.46", "1.24"), ("28.0.4", "1.48", "1.24"),
    ("28.5.2", "1.51", "1.24"), ("29.0.4", "1.52", "1.44"), ("29.1.5", "1.52", "1.44"), ("29.2.1", "1.53", "1.44"),
    ("29.3.1", "1.54", "1.40"), ("29.5.0", "1.54", "1.40"), ("29.6.0", "1.55", "1.40"), ("29.7.0", "1.55", "1.40"),
    ("30.0.0", "1.56", "1.40"), ("35.0.0", "1.80", "1.40"),
    # DOCKER_MIN_API_VERSION, or min-api-version in daemon.json
    ("28.5.2", "1.51", "1.44"), ("29.0.4", "1.52", "1.24"), ("29.7.0", "1.55", "1.55"),
]


def spoken(engine):
    """The versions of all requests but the first question."""
    return {r.version for r in engine.log if r.path not in ("/version", "/_ping")}


@pytest.mark.parametrize("version,newest,oldest", ENGINES)
def test_every_version(make_engine, autoheal, version, newest, oldest):
    """Discover, heal once, respect a person's stop, come back after a cut, and hear what no event told, with an engine
    that says more than is known of it and leaves Retries out."""
    engine = make_engine(version=version, api=newest, min_api=oldest, strange=True)
    web, stopped = engine.add("web", labels=LABEL, retries=0), engine.add("stopped", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1", **QUICK)
    new = engine.start_container("new", labels=LABEL, heals_after=0)
    for name in ("web", "stopped", "new"):
        ah.wait_event("auto_monitor", name)
    sick_and_healed(engine, ah, web)
    assert engine.restarts(web)[0].query == {}
    engine.stop_by_person(stopped)
    ah.wait_phase("stopped", "hands_off")
    engine.drop_streams()
    stream = engine.wait_request("GET", "^/events$", 2, timeout=10)
    assert "since" in stream.query
    ah.wait_ready()
    fence(engine, ah)
    engine.set_health(web, "unhealthy", streak=2, event=False)      # fewer than Docker's three
    audits(engine)
    left_alone(engine, ah, stopped, new)
    assert len(engine.restarts(web)) == len(ah.events("restart", "web")) == len(ah.events("recovered", "web")) == 1
    engine.set_health(web, "unhealthy", streak=3, event=False)
    healed(engine, ah, web, count=2)
    versions = spoken(engine)
    assert len(versions) == 1
    api = versions.pop()
    assert version_tuple(oldest) <= version_tuple(api) <= version_tuple(newest)
    assert api == min(newest, "1.55", key=version_tuple)
    shown, = ah.get("/api/status").json()["engines"]
    assert (shown["connected"], shown["host"], shown["version"], shown["api_version"]) == (True, "local", version, api)
    assert shown["engine"].lower() == "docker"
    assert not ah.log_lines("WARNING.*skipped an event|ERROR")


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
    assert spoken(engine) == {"1.41"}


@pytest.mark.parametrize("pinned,words", [("1.40", "1.40 is too old. Minimum supported API version is 1.44"),
                                          ("1.53", "1.53 is too new. Maximum supported API version is 1.52")])
def test_a_pinned_version_that_the_engine_refuses(make_engine, autoheal, pinned, words):
    """One sentence with the engine's words and the remedy, not one for each try; the tries become rarer; and where the
    engine takes it one day, it works."""
    engine = make_engine(min_api="1.44", api="1.52", version="29.0.4")
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, ready=False, DOCKER_API_VERSION=pinned).wait_up()
    ah.wait_log(words)
    ah.wait_log("unset DOCKER_API_VERSION")
    engine.wait_request("GET", "^/events$", 3, timeout=10)      # at once, and after 1 s
    times = [r.time for r in engine.requests("GET", "^/events$")]
    assert times[2] - times[0] > 0.9
    assert len(ah.log_lines("too (old|new)")) == 1 and len(ah.log_lines("ERROR")) == 1
    health = ah.get("/health")
    assert health.status == 503 and "DOCKER_API_VERSION" in health.json()["reason"]
    assert "DOCKER_API_VERSION" in ah.get("/api/status").json()["engines"][0]["error"]
    engine.min_api, engine.api = "1.24", "1.60"
    ah.wait_ready()
    sick_and_healed(engine, ah, web)


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


# ---- an engine that is exchanged underneath, between two requests, while the stream stays open

CHANGES = {"upgraded": {"min_api": "1.52", "api": "1.55", "version": "29.7.0"},
           "downgraded": {"min_api": "1.12", "api": "1.43", "version": "24.0.9"}}


def change(engine, how):
    for name, value in CHANGES[how].items():
        setattr(engine, name, value)


def agreed_anew(engine, ah, web, how):
    """What every one of the stories below ends with: it is connected by the new terms, and heals."""
    harness.wait(lambda: ah.get("/api/status").json()["engines"][0]["version"] == CHANGES[how]["version"], 10,
                 "the new version to be known")
    ah.wait_ready()
    sick_and_healed(engine, ah, web, count=len(ah.events("restart", web.name)) + 1)
    assert engine.posts()[-1].version == min(CHANGES[how]["api"], "1.55")
    assert len(engine.requests("GET", "^/version$")) == 2, "asked for more often than once each"
    assert not [e for e in ah.events("restart") if e["status"] != "success"]


@pytest.mark.parametrize("how", CHANGES)
def test_the_stream_is_refused(make_engine, autoheal, how):
    """It was exchanged between its answer to /version and the stream."""
    engine = make_engine()
    web = engine.add("web", labels=LABEL)
    engine.fault("GET", "^/events$", times=1, also=lambda _: change(engine, how))
    ah = autoheal(engine)
    agreed_anew(engine, ah, web, how)


@pytest.mark.parametrize("how", CHANGES)
def test_the_first_list_is_refused(make_engine, autoheal, how):
    engine = make_engine()
    web = engine.add("web", labels=LABEL)
    engine.fault("GET", "^/containers/json$", times=1, also=lambda _: change(engine, how))
    ah = autoheal(engine)
    agreed_anew(engine, ah, web, how)


@pytest.mark.parametrize("how", CHANGES)
def test_an_audit_is_refused(make_engine, autoheal, how):
    engine = make_engine()
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1", **QUICK)
    sick_and_healed(engine, ah, web)
    change(engine, how)
    agreed_anew(engine, ah, web, how)


@pytest.mark.parametrize("how", CHANGES)
def test_an_inspect_is_refused(make_engine, autoheal, how):
    """That of a container which just started: it is watched all the same."""
    engine = make_engine()
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    change(engine, how)
    engine.start_container("new", labels=LABEL)
    ah.wait_event("auto_monitor", "new")
    agreed_anew(engine, ah, web, how)
    assert len(ah.events("auto_monitor", "new")) == 1


@pytest.mark.parametrize("how", CHANGES)
def test_a_restart_is_refused(make_engine, autoheal, how):
    """Nothing was done then: it is no failed restart, and it is sent again once a version is agreed on."""
    engine = make_engine()
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_MAX_RESTARTS="1")     # a second one would be quarantine
    engine.wait_request("GET", f"/containers/{web.id}/json")     # the look in turn, which would find the change first
    change(engine, how)
    engine.sicken(web)
    event = healed(engine, ah, web, timeout=10)
    refused, done = engine.restarts(web)
    assert (refused.version, done.version) == ("1.51", min(CHANGES[how]["api"], "1.55"))
    assert event["restart_count"] == 1 and len(ah.events("restart")) == 1
    assert done.time - refused.time < 3
    assert len(engine.requests("GET", "^/version$")) == 2
    assert not ah.events("quarantine")


@pytest.mark.parametrize("how", CHANGES)
def test_the_proof_is_refused(make_engine, autoheal, how):
    """A heal that waited for its cooldown asks first how the container is: the list after the reconnect ends the wait."""
    engine = make_engine()
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_COOLDOWN="1", AUTOHEAL_BACKOFF="false")
    sick_and_healed(engine, ah, web)
    engine.sicken(web)
    ah.wait_phase("web", "waiting")
    inspects = len(engine.requests("GET", f"/containers/({web.id}|web)/json"))
    change(engine, how)
    healed(engine, ah, web, count=2, timeout=8)
    refused, asked = engine.requests("GET", f"/containers/({web.id}|web)/json")[inspects:]
    assert refused.version == "1.51" and asked.version == engine.restarts(web)[1].version != "1.51"
    assert engine.restarts(web)[1].time - refused.time < 5


@pytest.mark.parametrize("how", CHANGES)
def test_a_start_is_refused(make_engine, autoheal, how):
    """The restart stopped it and could not start it; then the engine is exchanged."""
    engine = make_engine()
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **QUICK)

    def mended(_):
        web.start_error = None
        change(engine, how)

    web.start_error = "cannot start container: no such network"
    engine.fault("POST", "/start$", times=1, also=mended)
    engine.sicken(web)
    ah.wait_event("recovered", "web", timeout=10)
    refused, done = engine.requests("POST", "/start$")
    assert (refused.version, done.version) == ("1.51", min(CHANGES[how]["api"], "1.55"))
    assert [(e["action"], e["status"]) for e in ah.events("restart", "web")] == [("restart", "failure"), ("start", "success")]


def test_many_restarts_are_refused_at_once(make_engine, autoheal):
    """One new question for all of them, and each is restarted once."""
    engine = make_engine()
    many = [engine.add(f"c{i}", labels=LABEL) for i in range(8)]
    ah = autoheal(engine, AUTOHEAL_MAX_PARALLEL="8", AUTOHEAL_STORM="off")
    change(engine, "upgraded")
    engine.sicken(*many)
    for container in many:
        healed(engine, ah, container, timeout=10)
    assert len(engine.requests("GET", "^/version$")) == 2
    for container in many:
        sent = [r.version for r in engine.restarts(container)]
        assert sent.count("1.55") == 1 and set(sent) <= {"1.51", "1.55"}
        assert [e["status"] for e in ah.events("restart", container.name)] == ["success"]


def test_up_and_down_and_up(make_engine, autoheal):
    """Each change is followed by one new question, and nothing is left of the old terms."""
    engine = make_engine()
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    for count, how in enumerate(("upgraded", "downgraded", "upgraded"), 1):
        change(engine, how)
        engine.sicken(web)
        healed_by = lambda: [r for r in engine.restarts(web) if r.version == min(CHANGES[how]["api"], "1.55")]  # noqa: E731, B023
        harness.wait(healed_by, 15, "a restart by the new terms")
        ah.wait_event("recovered", "web", 10, count=count)
    assert len(engine.requests("GET", "^/version$")) == 4
    assert [e["status"] for e in ah.events("restart", "web")] == ["success"] * 3


def test_an_engine_that_refuses_what_it_offers(make_engine, autoheal):
    """A proxy that answers /version by itself: said once, tried ever more rarely, and no restart is sent in a loop."""
    engine = make_engine()
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    lie = engine.fault(None, "^/(events|containers)", status=400, body={
        "message": "client version 1.51 is too old. Minimum supported API version is 1.60, please upgrade your client"})
    engine.sicken(web)
    engine.wait_restart(web)
    engine.wait_request("GET", "^/events$", 4, timeout=10)
    times = [r.time for r in engine.requests("GET", "^/events$")]
    assert times[3] - times[1] > 0.9
    assert len(engine.restarts(web)) <= 3
    assert not ah.events("restart") and not ah.events("quarantine")
    assert ah.get("/api/status").json()["engines"][0]["error"]
    lie.remove()
    ah.wait_event("recovered", "web", timeout=15)
    assert [e["status"] for e in ah.events("restart", "web")] == ["success"]

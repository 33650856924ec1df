"""AUTOHEAL_HOSTS: several engines at once. Each stands for itself, and none waits for another."""
import os
import re
import time

import pytest

import harness
from steps import LABEL, QUICK, fence, healed, sick_and_healed

USUAL = 2.0     # seconds from `unhealthy` to the request, on a machine that is busy with other tests


@pytest.fixture
def hosts(make_engine, autoheal):
    """hosts("nas", "attic", **settings): the service over one scripted engine a name, all audited; and the engines.

    down: names of engines that are not started yet; prepare: called with the engines before the service starts.
    """
    def start(*names, down=(), prepare=None, **settings):
        engines = {name: make_engine() for name in names}
        for name in down:
            engines[name].stop()
        if prepare:
            prepare(*engines.values())
        settings.setdefault("AUTOHEAL_HOSTS", of(engines))
        ah = autoheal(ready=False, **settings)
        wait_audited(ah, [name for name in names if name not in down])
        return (ah, *engines.values())
    return start


def of(engines):
    return ",".join(f"{name}={engine.url}" for name, engine in engines.items())


def wait_audited(ah, names, timeout=10.0):
    """Waits until the engines of these names are connected and audited."""
    ah.wait_up()
    harness.wait(lambda: {e["host"] for e in ah.get("/health").json()["engines"]
                          if e["connected"] and e["last_audit"]} >= set(names), timeout, f"audits of {names}")


def engine_of(ah, host):
    return next(e for e in ah.get("/api/status").json()["engines"] if e["host"] == host)


def names(ah, query=""):
    """(host, name) of what the list shows, and how long it took."""
    begun = time.monotonic()
    answer = ah.get("/api/containers" + query)
    assert answer.status == 200, answer
    return [(c["host"], c["name"]) for c in answer.json()], time.monotonic() - begun


def heals_as_ever(engine, container):
    """It turns sick, and is restarted without any delay."""
    count = len(engine.restarts(container)) + 1
    sick = time.monotonic()
    engine.sicken(container)
    assert engine.wait_restart(container, count, 10).time - sick < USUAL


# ---- side by side

def test_each_engine_is_watched_and_healed_for_itself(hosts):
    """One stream each; a restart goes to the engine whose container is sick; every answer names the host."""
    ah, nas, attic = hosts("nas", "attic", prepare=lambda *engines: [e.add("web", labels=LABEL) for e in engines])
    web = nas.find("web")
    for engine in nas, attic:
        assert len(engine.streams) == 1 and len(engine.requests("GET", "^/events$")) == 1
    sick_and_healed(nas, ah, web)
    assert not attic.posts() and len(nas.posts()) == 1
    assert {(e["event_type"], e["host"]) for e in ah.events()} == {
        ("engine_connected", "nas"), ("engine_connected", "attic"), ("auto_monitor", "nas"), ("auto_monitor", "attic"),
        ("restart", "nas"), ("recovered", "nas")}
    shown = {c["host"]: c for c in ah.get("/api/containers").json()}
    assert {h: c["full_id"] for h, c in shown.items()} == {"nas": web.id, "attic": attic.find("web").id}
    health, status = ah.get("/health").json(), ah.get("/api/status").json()
    assert [e["host"] for e in health["engines"]] == [e["host"] for e in status["engines"]] == ["nas", "attic"]
    assert [e["url"] for e in status["engines"]] == [nas.url, attic.url]
    assert status["total_containers"] == status["monitored_containers"] == 2
    assert [len(ah.log_lines(f"Engine '{n}' connected")) for n in ("nas", "attic")] == [1, 1]


def test_both_fall_sick_at_once(hosts):
    """The cooldown and the slots of one are no business of the other."""
    ah, nas, attic = hosts("nas", "attic", AUTOHEAL_MAX_PARALLEL="1",
                           prepare=lambda *engines: [e.add("web", labels=LABEL, stop_seconds=1) for e in engines])
    for engine in nas, attic:
        engine.sicken(engine.find("web"))
    requests = [engine.wait_restart(engine.find("web")) for engine in (nas, attic)]
    assert abs(requests[0].time - requests[1].time) < 0.9       # the first one's stop takes a second
    for host in "nas", "attic":
        ah.wait_event("recovered", f"{host}/web")


def test_the_host_picks_from_answers(hosts):
    """?host= of containers and events; of one container, too."""
    ah, nas, attic = hosts("nas", "attic", prepare=lambda nas, attic: [
        nas.add("web", labels=LABEL), nas.add("db"), attic.add("web", labels=LABEL)])
    assert sorted(names(ah)[0]) == [("attic", "web"), ("nas", "db"), ("nas", "web")]
    assert sorted(names(ah, "?host=nas")[0]) == [("nas", "db"), ("nas", "web")]
    assert names(ah, "?host=attic&include_stopped=true")[0] == [("attic", "web")]
    assert names(ah, "?host=nowhere")[0] == [] and names(ah, "?host=na")[0] == []
    assert ah.get("/api/containers?host=%zz").status == 400
    assert ah.get("/api/containers?host=" + "n" * 200).status == 400
    events = ah.get("/api/events?host=attic", token=True).json()
    assert [e["event_type"] for e in events] == ["engine_connected", "auto_monitor"]
    assert {e["host"] for e in events} == {"attic"} and not ah.get("/api/events?host=nowhere", token=True).json()
    shown = ah.get("/api/containers/web?host=attic", token=True)
    assert shown.status == 200 and shown.json()["full_id"] == attic.find("web").id


def test_counts_belong_to_one_engine(hosts):
    """The same name on two engines: two identities, of which `local` alone goes without its host."""
    ah, local, nas = hosts("local", "nas", prepare=lambda *engines: [e.add("web", labels=LABEL) for e in engines], **QUICK)
    for count in 1, 2:
        nas.sicken(nas.find("web"))
        nas.wait_restart(nas.find("web"), count)
        ah.wait_event("recovered", "nas/web", count=count)
    sick_and_healed(local, ah, local.find("web"))
    shown = {c["host"]: c for c in ah.get("/api/containers").json()}
    assert {h: (c["stable_id"], c["restart_count"]) for h, c in shown.items()} == {
        "local": ("web", 1), "nas": ("nas/web", 2)}
    config = ah.get("/api/config", token=True).json()
    assert config["containers"]["restart_counts"] == {"web": 1, "nas/web": 2}


def test_the_last_cooldown_is_not_anothers(hosts):
    """A cooldown of an hour on one engine; the container of the same name on the other is healed at once."""
    ah, nas, attic = hosts("nas", "attic", AUTOHEAL_COOLDOWN="1h",
                           prepare=lambda *engines: [e.add("web", labels=LABEL) for e in engines])
    nas.sicken(nas.find("web"))
    nas.wait_restart(nas.find("web"))
    ah.wait_event("recovered", "nas/web")
    nas.sicken(nas.find("web"))
    heals_as_ever(attic, attic.find("web"))
    ah.wait_event("recovered", "attic/web")
    assert len(nas.posts()) == 1


def test_a_choice_is_for_one_engine(hosts):
    """host/name names one container; the one of the same name on the other engine stays as it was."""
    ah, nas, attic = hosts("nas", "attic", prepare=lambda *engines: [e.add("web", labels=LABEL) for e in engines])

    def choose(enabled, name="nas/web"):
        answer = ah.post("/api/containers/select", {"container_ids": [name], "enabled": enabled})
        assert answer.status == 200, answer
        return answer.json()

    assert choose(False) == {"selected": [], "excluded": ["nas/web"], "unknown": []}
    assert {c["host"]: c["monitored"] for c in ah.get("/api/containers").json()} == {"nas": False, "attic": True}
    nas.sicken(nas.find("web"))
    heals_as_ever(attic, attic.find("web"))
    fence(nas, ah)
    assert not nas.posts()
    told = ah.wait_event("selection", "nas/web")
    assert (told["host"], told["container_id"], told["status"]) == ("nas", nas.find("web").id, "excluded")
    assert choose(True)["selected"] == ["nas/web"]
    nas.wait_restart(nas.find("web"))       # it is sick all along
    ah.wait_event("recovered", "nas/web")
    assert len(nas.posts()) == 1


def test_a_name_of_two_engines_is_ambiguous(hosts):
    """409 with words that can be used in its place; nothing is chosen by halves."""
    ah, local, nas = hosts("local", "nas", prepare=lambda *engines: [
        e.add(name, labels=LABEL) for e in engines for name in ("web", "db")])
    answer = ah.get("/api/containers/web")
    assert answer.status == 409
    candidates = re.findall(r"(\S+/web) \(([0-9a-f]{12})\)", answer.json()["error"])
    assert candidates == [("local/web", local.find("web").short_id), ("nas/web", nas.find("web").short_id)]
    for name, short_id in candidates:
        assert ah.container(name)["id"] == ah.container(short_id)["id"] == short_id
    answer = ah.post("/api/containers/select", {"container_ids": ["nas/db", "web"], "enabled": False})
    assert answer.status == 409 and "local/web" in answer.json()["error"]
    assert all(c["monitored"] for c in ah.get("/api/containers").json())
    answer = ah.post("/api/containers/select", {"container_ids": ["local/web"], "enabled": False})
    assert answer.status == 200 and answer.json()["excluded"] == ["web"]
    assert {(c["host"], c["name"]) for c in ah.get("/api/containers").json() if not c["monitored"]} == {("local", "web")}


def test_identities_of_labels_are_apart_as_well(hosts):
    """monitoring.id=shop on both engines: no quarrel about who is the older."""
    ah, nas, attic = hosts("nas", "attic", prepare=lambda *engines: [
        e.add(f"web{n}", labels={**LABEL, "monitoring.id": "shop"}) for n, e in enumerate(engines)])
    assert {(c["host"], c["stable_id"]) for c in ah.get("/api/containers").json()} == {
        ("nas", "nas/shop"), ("attic", "attic/shop")}
    assert not ah.log_lines("both claim")


# ---- engines come and go

def test_a_label_takes_no_identity_of_another_engine(hosts):
    """On an engine without a prefix monitoring.id=nas/web would be the identity of another engine's container."""
    def prepare(local, nas):
        nas.add("web", labels=LABEL)
        local.add("thief", labels={**LABEL, "monitoring.id": "nas/web"})
        local.add("honest", labels={**LABEL, "monitoring.id": "nasty/web"})

    ah, *_ = hosts("local", "nas", prepare=prepare)
    shown = {c["name"]: c["stable_id"] for c in ah.get("/api/containers").json()}
    assert shown == {"web": "nas/web", "thief": "thief", "honest": "nasty/web"}


def test_one_that_is_down_at_the_start_comes_later(hosts):
    """/health is well with one audited engine; what waits on the other is seen once it answers."""
    ah, nas, attic = hosts("nas", "attic", down=["attic"], prepare=lambda nas, attic: [
        nas.add("web", labels=LABEL), attic.add("web", labels=LABEL, health="unhealthy", streak=3)])
    health = ah.get("/health")
    assert health.status == 200
    nas_health, attic_health = health.json()["engines"]
    assert nas_health["connected"] and not attic_health["connected"] and attic_health["last_audit"] is None
    assert "attic" in ah.wait_log("cannot be reached").string and attic_health["error"]
    heals_as_ever(nas, nas.find("web"))
    assert names(ah)[0] == [("nas", "web")]
    missing = ah.get("/api/containers/attic%2Fweb")
    assert missing.status == 404 and "on the engines that answer" in missing.json()["error"]
    attic.start()
    attic.wait_restart(attic.find("web"), timeout=15)
    ah.wait_event("recovered", "attic/web")
    assert {e["host"] for e in ah.events("engine_connected")} == {"nas", "attic"} and not ah.events("engine_lost")


def test_one_that_dies_leaves_the_others_as_they_were(hosts):
    """engine_lost names it, the others heal as fast as ever, and it is taken up again."""
    ah, nas, attic = hosts("nas", "attic", prepare=lambda *engines: [e.add("web", labels=LABEL) for e in engines], **QUICK)
    stream = nas.streams[0]
    attic.stop()
    lost = ah.wait_event("engine_lost")
    assert (lost["host"], lost["status"]) == ("attic", "lost")
    assert ah.get("/health").status == 200
    assert engine_of(ah, "attic")["connected"] is False and engine_of(ah, "nas")["connected"] is True
    for _ in range(3):
        heals_as_ever(nas, nas.find("web"))
        harness.wait(lambda: nas.find("web").health == "healthy", what="web to be healthy")
    listed, took = names(ah)
    assert listed == [("nas", "web")] and took < USUAL
    attic.start()
    attic.wait_stream(timeout=15)
    wait_audited(ah, ["nas", "attic"])
    heals_as_ever(attic, attic.find("web"))
    assert stream in nas.streams and len(nas.requests("GET", "^/events$")) == 1     # its stream was never touched
    assert {e["host"] for e in ah.events("engine_lost")} == {"attic"}


# ---- engines that take requests and never answer

def test_one_that_never_says_its_version(hosts):
    ah, nas, _ = hosts("nas", "hole", down=["hole"], prepare=lambda nas, hole: [
        nas.add("web", labels=LABEL), hole.fault("GET", "^/version$", black_hole=True), hole.start()])
    heals_as_ever(nas, nas.find("web"))
    listed, took = names(ah)
    assert listed == [("nas", "web")] and took < USUAL
    assert ah.get("/health").status == 200


def test_one_that_never_brings_its_list(hosts):
    """Its stream stands, so it counts as connected: an answer waits for it once, some seconds, and says so."""
    ah, hole, nas = hosts("hole", "nas", prepare=lambda *engines: [e.add("web", labels=LABEL) for e in engines])
    fault = hole.fault("GET", "^/containers/json$", black_hole=True)
    listed, took = names(ah)
    assert listed == [("nas", "web")] and 2.5 < took < 8
    assert ah.wait_log("Engine 'hole' does not bring its list")
    for _ in range(3):
        listed, took = names(ah)
        assert listed == [("nas", "web")] and took < USUAL
    heals_as_ever(nas, nas.find("web"))
    assert ah.get("/api/containers/nas%2Fweb").status == 200
    assert len(ah.log_lines("does not bring its list")) == 1
    heals_as_ever(hole, hole.find("web"))       # its stream is as good as ever
    fault.remove()
    assert ah.get("/api/containers/web?host=nas").status == 200


def test_one_that_brings_its_list_again_is_listed_again(hosts):
    """The audit that succeeds ends it: here the next one, after one that was given up."""
    ah, hole, nas = hosts("hole", "nas", AUTOHEAL_INTERVAL="1", CURL_TIMEOUT="4",
                          prepare=lambda *engines: [e.add("web", labels=LABEL) for e in engines])
    fault = hole.fault("GET", "^/containers/json$", black_hole=True)
    harness.wait(lambda: names(ah)[0] == [("nas", "web")], 10, "an answer without it")
    fault.remove()
    harness.wait(lambda: sorted(names(ah)[0]) == [("hole", "web"), ("nas", "web")], 15, "both")


def test_a_slow_list_is_waited_for(hosts):
    """An engine whose list always takes its time has shown so in its audit."""
    ah, slow, nas = hosts("slow", "nas", prepare=lambda slow, nas: [
        slow.add("web"), nas.add("web"), slow.fault("GET", "^/containers/json$", before=3.5)])
    listed, took = names(ah)
    assert sorted(listed) == [("nas", "web"), ("slow", "web")] and took >= 3.5


@pytest.mark.parametrize("method,path", [("GET", "^/containers/[0-9a-f]+/json$"), ("POST", "/restart$")],
                         ids=["inspect", "restart"])
def test_one_that_never_answers_what_is_asked_of_a_container(hosts, method, path):
    """Forty of its containers are stuck: more than are asked about at once, and more than may be restarted at once."""
    ah, hole, nas = hosts("hole", "nas", AUTOHEAL_STORM="off", prepare=lambda hole, nas: [nas.add("web", labels=LABEL)])
    hole.fault(method, path, black_hole=True)
    stuck = [hole.start_container(f"stuck{n}", labels=LABEL) for n in range(40)]
    harness.wait(lambda: all(c.health == "healthy" for c in stuck), 10, "their health")
    hole.sicken(*stuck)
    hole.wait_request(method, path, 16)
    heals_as_ever(nas, nas.find("web"))
    ah.wait_event("recovered", "nas/web")
    fence(nas, ah)          # its inspects have their turn as well
    listed, took = names(ah, "?host=nas")
    assert ("nas", "web") in listed and took < USUAL


def test_requests_that_hang_leave_room_for_those_of_others(hosts):
    """Four engines with more stuck restarts than the whole service may have under way."""
    stuck_hosts = [f"hole{n}" for n in range(4)]
    ah, nas, *holes = hosts("nas", *stuck_hosts, AUTOHEAL_MAX_PARALLEL="128", AUTOHEAL_STORM="off", prepare=lambda nas, *holes: [
        nas.add("web", labels=LABEL), *[h.add(f"stuck{n}", labels=LABEL) for h in holes for n in range(70)]])
    for hole in holes:
        hole.fault("POST", "/restart$", black_hole=True)
        hole.sicken(*hole.containers.values())
    harness.wait(lambda: sum(len(h.posts()) for h in holes) >= 192, 15, "restarts that hang")
    heals_as_ever(nas, nas.find("web"))
    ah.wait_event("recovered", "nas/web")


# ---- settings

@pytest.mark.parametrize("setting,words", [
    ("nas", "each entry must be name=URL"),
    ("nas=tcp://nas,tcp://attic", "each entry must be name=URL"),
    ("=tcp://nas", "a name must have 1 to 63"),
    ("../x=tcp://nas", "a name must have 1 to 63"),
    (",", "must name at least one engine"),
    ("nas=ssh://root@nas", "The URL of 'nas' in AUTOHEAL_HOSTS is 'ssh://root@nas'"),
    ("nas=tcp://nas:99999", "must name a host and a port"),
    ("a=tcp://x,a=tcp://y", "that name stands there twice"),
    ("a=tcp://x,b=tcp://x:2375", "that engine stands there twice"),
    (",".join(f"e{n}=tcp://e{n}" for n in range(65)), "more than 64 engines"),
])
def test_a_setting_that_names_no_engines_is_refused(setting, words):
    """One line that says what is wrong, and exit code 64."""
    done = harness.run(AUTOHEAL_HOSTS=setting, AUTOHEAL_LISTEN="off")
    assert done.returncode == 64 and done.stdout == ""
    assert words in done.stderr and "AUTOHEAL_HOSTS" in done.stderr and done.stderr.count("\n") == 1


def test_docker_host_is_not_asked_beside_them(hosts, make_engine):
    """AUTOHEAL_HOSTS comes in place of DOCKER_HOST."""
    other = make_engine()
    ah, nas = hosts("nas", DOCKER_HOST=other.url)
    fence(nas, ah)
    assert not other.log
    assert ah.get("/api/status").json()["engines"][0]["host"] == "nas"


# ---- many

def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid):
    """MiB of memory."""
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


@pytest.mark.first
def test_fifty_engines_at_once(hosts):
    """All connected, one heal on each at the same time, nothing twice."""
    many = [f"e{n:02}" for n in range(50)]
    ah, *engines = hosts(*many, prepare=lambda *engines: [e.add("web", labels=LABEL) for e in engines])
    print(f"{len(many)} engines: {resident(ah.pid):.1f} MiB, {descriptors(ah.pid)} descriptors")
    assert ah.get("/api/status").json()["monitored_containers"] == 50
    begun = time.monotonic()
    for engine in engines:
        engine.sicken(engine.find("web"))
    restarts = [engine.wait_restart(engine.find("web"), timeout=15) for engine in engines]
    print(f"the last of 50 requests came {max(r.time for r in restarts) - begun:.3f} s after the first event")
    harness.wait(lambda: len(ah.events("recovered")) == 50, 15, "50 recoveries")
    assert {e["host"] for e in ah.events("recovered")} == set(many)
    assert len(ah.events("restart")) == 50
    assert all(len(engine.posts()) == 1 and len(engine.requests("GET", "^/events$")) == 1 for engine in engines)
    assert sorted(names(ah)[0]) == [(host, "web") for host in many]


@pytest.mark.first
def test_sixty_four_engines_stay_within_the_descriptors(hosts):
    """select() knows 1,024: the inspects of engines that do not answer them must not take them all."""
    many = [f"e{n:02}" for n in range(64)]
    ah, *engines = hosts(*many, prepare=lambda *engines: [e.add("web", labels=LABEL) for e in engines])
    for engine in engines:
        engine.fault("GET", "^/containers/[0-9a-f]+/json$", black_hole=True)
        for n in range(20):
            engine.start_container(f"new{n}", labels=LABEL, healthcheck=False)
    harness.wait(lambda: all(len(e.requests("GET", "^/containers/[0-9a-f]+/json$")) >= 4 for e in engines), 20,
                 "inspects of all")
    used = descriptors(ah.pid)
    print(f"64 engines, whose inspects hang: {resident(ah.pid):.1f} MiB, {used} descriptors")
    assert used < 1024
    for engine in engines[::16]:
        heals_as_ever(engine, engine.find("web"))
    listed, _ = names(ah)
    assert len(listed) == 64 * 21 and ah.get("/health").status == 200
    assert not ah.log_lines("Too many open files")

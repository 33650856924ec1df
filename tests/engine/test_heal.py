"""A container falls sick and comes back."""
import re
import threading
import time

import pytest

import harness
from steps import LABEL, QUICK, TIMESTAMP, audits, fence, gaps, healed, sick_and_healed

PROXY_403 = "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n"
PROXY = {"status": 403, "body": PROXY_403, "headers": {"Content-Type": "text/html", "Cache-Control": "no-cache"}}


def test_a_sick_container_is_restarted_and_proven_healthy(engine, autoheal):
    """The main job: unhealthy -> restart without t= (the container's own grace period holds) -> recovered."""
    web = engine.add("web", labels=LABEL, heals_after=0.3, stop_timeout=120)
    ah = autoheal(engine)
    engine.sicken(web)
    asked = engine.wait_restart(web)
    assert asked.query == {}
    restart = ah.wait_event("restart", "web")
    assert (restart["status"], restart["action"], restart["restart_count"]) == ("success", "restart", 1)
    assert restart["container_id"] == web.id and restart["stable_id"] == "web" and restart["message"]
    recovered = ah.wait_event("recovered", "web")
    assert recovered["status"] == "healthy" and 300 <= recovered["duration_ms"] < 5000
    assert recovered["seq"] > restart["seq"] and re.fullmatch(TIMESTAMP, recovered["timestamp"])
    shown = ah.container("web")
    assert shown["restart_count"] == 1 and shown["phase"] == "watching" and not shown["quarantined"]
    assert len(engine.posts()) == 1


def test_a_live_event_is_proof_enough(engine, autoheal):
    """From a Docker engine's live stream no inspect stands between event and restart."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    fence(engine, ah)
    engine.forget_requests()
    engine.fault("GET", "/containers/.*/json", before=3)
    engine.sicken(web)
    engine.wait_restart(web, timeout=2)


def test_over_tcp(make_engine, autoheal):
    engine = make_engine(tcp=True)
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    sick_and_healed(engine, ah, web)


@pytest.mark.parametrize("labels,settings,query", [
    ({"autoheal.stop.timeout": "7"}, {}, {"t": "7"}),
    ({}, {"AUTOHEAL_DEFAULT_STOP_TIMEOUT": "5"}, {"t": "5"}),
    ({"autoheal.stop.timeout": "2m"}, {"AUTOHEAL_DEFAULT_STOP_TIMEOUT": "5"}, {"t": "120"}),
    ({"autoheal.stop.timeout": "soon"}, {}, {}),
])
def test_stop_timeout(engine, autoheal, labels, settings, query):
    """A database killed after 10 s although its grace period is 2 min: t= is sent only where somebody asked for it."""
    web = engine.add("web", labels={**LABEL, **labels})
    ah = autoheal(engine, **settings)
    engine.sicken(web)
    assert engine.wait_restart(web).query == query
    if "soon" in labels.values():
        ah.wait_log(r"WARNING.*autoheal\.stop\.timeout")
        fence(engine, ah)
        assert len(ah.log_lines(r"autoheal\.stop\.timeout")) == 1


@pytest.mark.first
def test_an_answer_after_stop_timeout_and_twelve_seconds_is_a_success(engine, autoheal):
    """'Restart failed' logged, yet it worked: the engine answers only after stop and start."""
    slow = engine.add("slow", labels=LABEL, stop_timeout=1, stop_seconds=13)
    ah = autoheal(engine)
    engine.sicken(slow)
    healed(engine, ah, slow, timeout=20)
    assert [e["status"] for e in ah.events("restart", "slow")] == ["success"]
    assert len(engine.restarts(slow)) == 1
    assert not ah.log_lines("ERROR")


def test_a_hung_restart_holds_up_nobody(engine, autoheal):
    """One wedged container: the engine never answers for it; the others are healed meanwhile."""
    hung, web = engine.add("hung", labels=LABEL), engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    engine.fault("POST", f"/containers/({hung.id}|hung)/restart", black_hole=True)
    engine.sicken(hung)
    engine.wait_restart(hung)
    sick_and_healed(engine, ah, web)
    assert ah.container("hung")["phase"] == "restarting"
    assert ah.get("/health").status == 200


def test_twenty_at_once_are_healed_in_parallel(engine, autoheal):
    """Slow stops never delay another container: twenty stops of a second each take little more than one."""
    many = [engine.add(f"c{i}", labels=LABEL, stop_seconds=1) for i in range(20)]
    ah = autoheal(engine, AUTOHEAL_STORM="off")
    engine.sicken(*many)
    for container in many:
        healed(engine, ah, container)
    asked = [engine.restarts(c)[0] for c in many]
    assert max(r.time for r in asked) < min(r.answered for r in asked)
    assert all(len(engine.restarts(c)) == 1 for c in many)


@pytest.mark.alone
def test_a_quick_one_does_not_wait_for_ten_slow_ones(engine, autoheal):
    """Ten containers with slow stops and one quick one fail together: the quick one's restart is asked for at once."""
    slow = [engine.add(f"slow{i}", labels=LABEL, stop_seconds=3) for i in range(10)]
    quick = engine.add("quick", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_STORM="off")
    fence(engine, ah)
    engine.sicken(*slow)
    start = time.monotonic()
    engine.sicken(quick)
    assert engine.wait_restart(quick).time - start < 0.3
    ah.wait_event("recovered", "quick")
    for container in slow:
        healed(engine, ah, container, timeout=10)
    assert time.monotonic() - start < 4.5


def test_no_more_than_max_parallel_at_once(engine, autoheal):
    """The rest wait in order, and all are healed."""
    many = [engine.add(f"c{i}", labels=LABEL, stop_seconds=0.3) for i in range(6)]
    ah = autoheal(engine, AUTOHEAL_MAX_PARALLEL="2", AUTOHEAL_STORM="off")
    looks = "^/containers/[0-9a-f]{64}/json$"   # those in turn after the first list: what they find sick comes first
    harness.wait(lambda: sum(bool(r.answered) for r in engine.requests("GET", looks)) >= 6, 10, "six looks")
    engine.sicken(*many)
    for container in many:
        healed(engine, ah, container)
    asked = [engine.restarts(c)[0] for c in many]
    for r in asked:
        assert sum(o.time <= r.time < o.answered for o in asked) <= 2
    # in order; but the two whose turn comes at once are asked about side by side, and may be answered crosswise
    order = sorted(range(len(many)), key=lambda i: asked[i].time)
    assert all(abs(place - i) <= 1 for place, i in enumerate(order)), order


def test_a_container_that_is_gone_is_not_asked_for_again(engine, autoheal):
    """404 for the target: it is gone, and that is the end of it."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **QUICK, AUTOHEAL_INTERVAL="1")
    def vanish(_):
        engine.containers.pop(web.id, None)
    engine.fault("POST", "/restart", also=vanish)
    engine.sicken(web)
    engine.wait_restart(web)
    ah.wait_log("web.*(gone|[Nn]o such container|no longer exists)|(gone|[Nn]o such container|no longer exists).*web")
    audits(engine)
    assert len(engine.posts()) == 1
    assert ah.get("/api/containers/web").status == 404


BACKOFF = {"AUTOHEAL_COOLDOWN": "0", "AUTOHEAL_BACKOFF_INITIAL": "1", "AUTOHEAL_MAX_RESTARTS": "0"}


@pytest.mark.first
def test_a_refused_restart_is_tried_again_with_back_off(engine, autoheal):
    """500 and the container still runs, sick: no tight loop, no giving up after the first."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **BACKOFF)
    fault = engine.fault("POST", "/restart", status=500, body={"message": "Cannot restart container web: tried and failed"})
    engine.sicken(web)
    event = ah.wait_event("restart", "web")
    assert event["status"] == "failure" and "tried and failed" in event["message"]
    engine.wait_restart(web, count=3, timeout=8)
    first, second = gaps(engine.restarts(web)[:3])
    assert 0.9 < first < 1.8 and 1.9 < second < 3
    fault.remove()
    ah.wait_event("recovered", "web", timeout=10)
    assert len(engine.restarts(web)) == 4


def test_stop_worked_and_start_failed(engine, autoheal):
    """The sad case of every healer: after a 500 the container is exited and no list without `all` shows it."""
    web = engine.add("web", labels=LABEL)
    web.start_error = "Cannot restart container web: driver failed programming external connectivity: port is allocated"
    ah = autoheal(engine, **BACKOFF)
    engine.sicken(web)
    ah.wait_event("restart", "web", status="failure")
    engine.wait_post(web, "start", count=2, timeout=8)
    assert web.state == "exited" and len(engine.restarts(web)) == 1
    assert "port is allocated" in ah.log()
    web.start_error = None
    ah.wait_event("recovered", "web", timeout=10)
    times = [r.time for r in engine.posts()]
    waits = [b - a for a, b in zip(times, times[1:])]
    assert 0.9 < waits[0] < 1.8 and 1.9 < waits[1] < 3
    assert ah.events("restart", "web")[-1]["action"] == "start"


def test_a_403_of_a_socket_proxy_names_the_remedy(engine, autoheal):
    """A proxy without POST: the message says which of its settings is missing, and there is no loop."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_BACKOFF_INITIAL="30")
    engine.fault("POST", "/restart", **PROXY)
    engine.sicken(web)
    message = ah.wait_event("restart", "web", status="failure")["message"]
    assert "403" in message and "POST=1, or ALLOW_RESTARTS=1" in message
    assert not re.search("CONTAINERS|EVENTS|VERSION|ALLOW_START", message)
    assert ah.log_lines("POST=1, or ALLOW_RESTARTS=1")
    fence(engine, ah)
    assert len(engine.posts()) == 1


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxy_that_does_not_wait_for_the_stop(engine, autoheal, status):
    """A proxy gives up waiting and says so, the engine goes on: its answer is lost, which is no failed restart."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    engine.fault("POST", "/restart", **{**PROXY, "status": status}, also=lambda r: engine.restart_by_person(web))
    engine.sicken(web)
    ah.wait_event("recovered", "web", timeout=10)
    assert [e["status"] for e in ah.events("restart", "web")] == ["success"]
    fence(engine, ah)
    assert len(engine.posts()) == 1


def test_the_right_to_start_is_another_one(engine, autoheal):
    """The restart stopped it and could not start it; the proxy lets restarts through, but no start."""
    web = engine.add("web", labels=LABEL)
    web.start_error = "driver failed: port is allocated"
    ah = autoheal(engine, **BACKOFF)
    fault = engine.fault("POST", "/start$", **PROXY)
    engine.sicken(web)
    message = ah.wait_event("restart", "web", status="failure", count=2)["message"]
    assert "403" in message and "POST=1, or ALLOW_START=1" in message and "RESTARTS" not in message
    web.start_error = None
    fault.remove()
    ah.wait_event("recovered", "web", timeout=10)


@pytest.mark.parametrize("path,right", [("/version", "VERSION=1"), ("/events", "EVENTS=1"),
                                        ("/containers/json", "CONTAINERS=1")])
def test_a_403_for_what_is_read_names_that_right_alone(engine, autoheal, path, right):
    """Each section of the API has its own setting in a socket proxy: the one that is missing is named, in the log and
    by /health; granted, it is found out without help."""
    web = engine.add("web", labels=LABEL)
    fault = engine.fault("GET", f"^{path}$", **PROXY)
    ah = autoheal(engine, ready=False).wait_up()
    line = ah.wait_log(rf"proxy.* forbids GET {path} \(403, .*give the proxy {right}").string
    assert re.findall(r"\b[A-Z_]+=1", line) == [right]
    assert ah.get("/health").status == 503
    harness.wait(lambda: right in ah.get("/health").json()["reason"], what="/health to name it between two tries")
    fault.remove()
    ah.wait_ready(timeout=15)
    sick_and_healed(engine, ah, web)


def test_a_missing_parent_is_not_a_missing_target(engine, autoheal):
    """500 'Cannot restart X: No such container: <other>': X is there, its network's owner is not. It is watched on, left
    alone until it is started anew, and healed then as any other."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    text = f"Cannot restart container web: No such container: {'f' * 64}"
    engine.fault("POST", "/restart", status=500, body={"message": text}, times=1)
    engine.sicken(web)
    assert ah.wait_event("restart", "web")["status"] == "failure"
    ah.wait_event("stranded", "web", status="reported")
    assert not ah.events("skipped", "web")
    assert ah.get("/api/containers/web").status == 200
    engine.stop_by_person(web)
    engine.start_by_person(web)
    engine.sicken(web)
    engine.wait_restart(web, 2)
    ah.wait_event("recovered", "web")


def test_an_answer_in_single_bytes(engine, autoheal):
    web = engine.add("web", labels=LABEL, heals_after=0.5)
    ah = autoheal(engine)
    engine.fault("POST", "/restart", cuts=range(1, 200), pause=0.001)
    sick_and_healed(engine, ah, web)


def test_a_lost_answer_is_not_a_second_restart(engine, autoheal):
    """The connection breaks before the 204 although the engine did it: the outcome is read from events and inspect."""
    web = engine.add("web", labels=LABEL, heals_after=0.3)
    ah = autoheal(engine, **QUICK)
    engine.fault("POST", "/restart", close_after=0)
    engine.sicken(web)
    ah.wait_event("recovered", "web", timeout=8)
    fence(engine, ah)
    assert len(engine.posts()) == 1
    assert len(ah.events("restart", "web")) == 1


@pytest.mark.parametrize("answer", [b"", b"\x00\xffnonsense\r\n\r\n"])
def test_an_answer_that_is_lost_and_nothing_was_done(engine, autoheal, answer):
    """The connection breaks and the engine has not begun: asked what became of it, then tried again, with back-off."""
    web, db = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL)
    ah = autoheal(engine, **BACKOFF)
    engine.fault("POST", "/restart", garbage=answer, times=1)
    engine.sicken(web)
    engine.wait_restart(web)
    sick_and_healed(engine, ah, db)
    engine.wait_restart(web, count=2, timeout=60)
    first, second = engine.restarts(web)
    assert second.time - first.time > 1
    assert [r for r in engine.requests("GET", f"/containers/({web.id}|web)/json") if first.time < r.time < second.time]
    ah.wait_event("recovered", "web")
    assert [e["status"] for e in ah.events("restart", "web")] == ["failure", "success"]


FLAVOURS = {
    "docker-20.10": ({"version": "20.10.24", "api": "1.41"}, ("kill", "die", "stop", "start", "restart")),
    "docker-28": ({"version": "28.5.2"}, ("kill", "stop", "die", "start", "restart")),
    "podman": ({"flavour": "podman", "version": "4.3.1", "api": "1.41"}, ("restart", "stop", "die", "init", "start")),
}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_answer_that_is_lost_amid_a_slow_stop(make_engine, autoheal, flavour):
    """The connection breaks while the engine stops the container, for seconds: nothing is sent again, it comes back."""
    engine = make_engine(**FLAVOURS[flavour][0])
    web = engine.add("web", labels=LABEL, stop_seconds=5)
    ah = autoheal(engine, **BACKOFF)
    def go_on(_):
        threading.Thread(target=engine.restart_by_person, args=(web,), daemon=True).start()
    engine.fault("POST", "/restart", also=go_on, garbage=b"")
    engine.sicken(web)
    engine.wait_restart(web)
    ah.wait_event("recovered", "web", timeout=12)
    fence(engine, ah)
    assert len(engine.posts()) == 1
    assert [e["status"] for e in ah.events("restart", "web")] == ["success"]


@pytest.mark.parametrize("flavour,late", [(name, late) for name, (_, order) in FLAVOURS.items() for late in order])
def test_an_answer_amid_its_events(make_engine, autoheal, flavour, late):
    """The 204 may come before, between or after the events that the restart causes: they are still our own doing."""
    engine = make_engine(**FLAVOURS[flavour][0])
    web = engine.add("web", labels=LABEL, heals_after=0.6)
    ah = autoheal(engine, **QUICK)
    engine.fault("POST", "/restart", delay=0.1, times=1)
    engine.lag = {late: 0.3}
    sick_and_healed(engine, ah, web)
    assert ah.container("web")["phase"] == "watching"
    engine.lag = {}
    fence(engine, ah)
    sick_and_healed(engine, ah, web, count=2)


def test_told_only(engine, autoheal):
    """autoheal.restart.enable=false: what would be done is told, and nothing is done."""
    web = engine.add("web", labels={**LABEL, "autoheal.restart.enable": "false"})
    ah = autoheal(engine, **QUICK)
    engine.sicken(web)
    event = harness.wait(lambda: [e for e in ah.events(container="web") if e["event_type"] in ("restart", "skipped")],
                         what="a word about it")[0]
    assert "autoheal.restart.enable" in event["message"]
    fence(engine, ah)
    assert not engine.posts()


@pytest.mark.parametrize("labels,posts", [
    ({"autoheal.action": "notify"}, []),
    ({"autoheal.action": "stop"}, ["stop"]),
    ({"autoheal.action": "kill"}, ["kill", "start"]),
    ({"autoheal.action": "restart"}, ["restart"]),
])
def test_actions_by_label(engine, autoheal, labels, posts):
    """notify only tells; stop stops once, then hands off; kill is SIGKILL, then start."""
    web = engine.add("web", labels={**LABEL, **labels})
    ah = autoheal(engine, **QUICK)
    engine.sicken(web)
    if posts:
        engine.wait_request("POST", "/" + posts[-1], timeout=3)
    event = ah.wait_event("restart", "web", timeout=3)
    fence(engine, ah)
    if posts:
        assert [r.path.rsplit("/", 1)[1] for r in engine.posts()] == posts
        assert event["action"] == posts[0] and event["status"] == "success"
    else:
        assert not engine.posts() and event["action"] == "notify"
    if posts == ["stop"]:
        assert ah.container("web")["phase"] == "hands_off"
    if posts == ["kill", "start"]:
        ah.wait_event("recovered", "web")


def test_unhealthy_for_waits_and_health_cancels(engine, autoheal):
    """AUTOHEAL_UNHEALTHY_FOR: a short illness passes by itself."""
    short, long = engine.add("short", labels=LABEL), engine.add("long", labels=LABEL)
    mine = engine.add("mine", labels={**LABEL, "autoheal.unhealthy.for": "0"})
    ah = autoheal(engine, AUTOHEAL_UNHEALTHY_FOR="1")
    start = time.monotonic()
    engine.sicken(short, long, mine)
    assert engine.wait_restart(mine).time - start < 0.5
    engine.set_health(short, "healthy")
    assert 0.95 < engine.wait_restart(long).time - start < 2
    fence(engine, ah)
    assert not engine.restarts(short)


def test_start_period_holds_the_first_action(engine, autoheal):
    """AUTOHEAL_START_PERIOD: nothing in the first seconds after autoheal's own start, and then it is done."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_START_PERIOD="2", ready=False)
    engine.wait_stream()
    engine.sicken(web)
    asked = engine.wait_restart(web)
    assert 1.8 < asked.time - ah.started_at < 4


def test_the_containers_own_start_period(engine, autoheal):
    """autoheal.start.period: no action for its health so soon after the container's start."""
    ah = autoheal(engine)
    begin = time.monotonic()
    web = engine.start_container("web", labels={**LABEL, "autoheal.start.period": "2"}, heals_after=None)
    ah.wait_event("auto_monitor", "web")
    engine.sicken(web)
    assert 1.8 < engine.wait_restart(web).time - begin < 4


def test_heals_go_on_while_nobody_reads_the_log(engine, autoheal, tmp_path):
    """A stalled log driver: stderr is a full pipe, and the loop must not block on it."""
    import subprocess
    containers = [engine.add(f"web{i}", labels=LABEL) for i in range(3)]
    ah = autoheal(engine, start=False, ready=False, AUTOHEAL_LOG_LEVEL="DEBUG", **QUICK)
    process = subprocess.Popen([str(ah.program)], env=ah.env, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    ah.process, ah._log = process, open(ah.log_path, "ab")
    ah.wait_ready()
    for i in range(600):
        engine.event("start", containers[i % 3])
    for container in containers:
        sick_and_healed(engine, ah, container)
    process.terminate()
    assert process.wait(10) == 0
    process.stderr.close()


def test_two_engines_are_healed_side_by_side(make_engine, autoheal):
    """AUTOHEAL_HOSTS: names apart, and one lost engine is no reason to leave the other alone."""
    done = harness.run(AUTOHEAL_HOSTS="a=unix:///nonexistent,b=ssh://x", AUTOHEAL_LISTEN="off", timeout=5)
    if "this version watches one engine" in done.stderr:
        pytest.skip("AUTOHEAL_HOSTS comes with a later version")
    here, there = make_engine(), make_engine(tcp=True)
    web, other = here.add("web", labels=LABEL), there.add("web", labels=LABEL)
    ah = autoheal(AUTOHEAL_HOSTS=f"here={here.url},nas={there.url}")
    harness.wait(lambda: len(ah.events("auto_monitor")) == 2, what="both to be watched")
    there.sicken(other)
    there.wait_restart(other)
    assert not here.posts()
    assert ah.wait_event("restart")["host"] == "nas"
    assert {c["stable_id"] for c in ah.get("/api/containers").json()} == {"here/web", "nas/web"}
    there.stop()
    ah.wait_event("engine_lost")
    here.sicken(web)
    here.wait_restart(web)


def test_a_list_from_before_the_start_is_no_exit(engine, autoheal):
    """The list shows the container amid its restart, and comes after it: a good heal must not count as failed."""
    web = engine.add("web", labels=LABEL, stop_seconds=0.4, heals_after=1.5)
    ah = autoheal(engine, **QUICK, AUTOHEAL_INTERVAL="1")
    lists = engine.fault("GET", "^/containers/json$", delay=0.6)      # taken at once, sent later
    for count in range(1, 4):
        sick_and_healed(engine, ah, web, count)
    assert lists.hits >= 3
    assert "exited" not in [e["status"] for e in ah.events("not_recovered", "web")]

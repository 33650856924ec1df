"""Nothing lost, nothing twice: gaps, races of list and stream, floods, odd clocks. See test_reconnect.py for plain cuts."""
import time

import pytest

import harness
from steps import LABEL, QUICK, audits, fence, healed, left_alone, sick_and_healed
from test_reconnect import reconnected

LIST = "^/containers/json$"


def probes(engine, container, count=300):
    """So many events of probes, which nobody asked for: they push all others out of the engine's memory of 256."""
    for _ in range(count):
        engine.event("exec_create: true", container)


def lost(engine, ah):
    """The engine goes away, and that was noticed."""
    engine.stop()
    ah.wait_log("lost")


def once(engine, ah, *containers):
    """Asserts, after all that was told, that each was restarted once, and that it helped."""
    fence(engine, ah)
    for c in containers:
        assert len(engine.restarts(c)) == 1, c.name
        assert [e["status"] for e in ah.events("restart", c.name)] == ["success"]
        assert len(ah.events("recovered", c.name)) == 1


# ---- gaps

@pytest.mark.parametrize("skew", [None, 0])
def test_sick_in_the_gap_and_only_its_rename_is_remembered(engine, autoheal, skew):
    """The illness fell out of the engine's memory, a later event of the same container did not: the replay of that must
    not make the list's word look old."""
    if skew is not None:
        engine.set_clock(skew)
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    lost(engine, ah)
    engine.sicken(web)
    probes(engine, web)
    engine.rename(web, "shop")
    engine.start()
    healed(engine, ah, web, timeout=10)
    assert ah.container("shop")["name"] == "shop"


def test_a_whole_life_in_the_gap_is_forgotten_by_the_engine(engine, autoheal):
    """One is gone, one is new and sick, one has another name, one was stopped: of all that only the list is left."""
    gone, sick, old, stopped = (engine.add(n, labels=LABEL) for n in ("gone", "sick", "old", "stopped"))
    ah = autoheal(engine)
    lost(engine, ah)
    engine.destroy(gone)
    engine.sicken(sick)
    engine.rename(old, "new")
    engine.stop_by_person(stopped)
    late = engine.start_container("late", labels=LABEL, heals_after=0)
    harness.wait(lambda: late.health == "healthy", what="its first probe")
    engine.sicken(late)
    probes(engine, sick)
    engine.start()
    healed(engine, ah, sick, timeout=10)
    healed(engine, ah, late, timeout=10)
    harness.wait(lambda: ah.get("/api/containers/new").status == 200, what="the new name")
    assert ah.get("/api/containers/gone").status == 404
    left_alone(engine, ah, stopped, old)


def test_two_events_of_the_same_instant_and_a_cut_between(engine, autoheal):
    """The second has the timeNano of the first, and was not read before the cut: it is another event, and is heard."""
    web, db = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    with engine.lock:
        first = engine.make_event("health_status: unhealthy", web)
        second = {**engine.make_event("health_status: unhealthy", db), "nano": first["nano"]}
        engine.last_nano = first["nano"]
        engine.ring.extend([first, second])
        for container in (web, db):
            container.health, container.streak = "unhealthy", 3
        engine.emit(engine.event_json(first))
        engine.drop_streams()
    healed(engine, ah, web)
    healed(engine, ah, db)
    once(engine, ah, web, db)


def test_the_same_event_twice_in_one_stream(engine, autoheal):
    """An engine or a proxy that repeats itself: one illness, one heal, one newcomer."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    sick = engine.make_event("health_status: unhealthy", web)
    web.health, web.streak = "unhealthy", 3
    engine.emit(engine.event_json(sick) * 2)
    engine.wait_restart(web)
    engine.emit(engine.event_json(sick))
    healed(engine, ah, web)
    new = engine.add("new", labels=LABEL)
    engine.emit(engine.event_json(engine.make_event("start", new)) * 2)
    ah.wait_event("auto_monitor", "new")
    once(engine, ah, web)
    assert len(ah.events("auto_monitor", "new")) == 1


def test_a_restart_of_ours_that_falls_into_a_gap(engine, autoheal):
    """The stream is away from the request to long after the answer: what is told again is our own doing, not a stop by
    somebody else, and the heal is proven."""
    engine.set_clock(0)
    web = engine.add("web", labels=LABEL, heals_after=0.2)
    ah = autoheal(engine, **QUICK)
    fault = engine.fault("GET", "^/events$", garbage=b"")
    engine.fault("POST", "/restart", also=lambda _: engine.drop_streams())
    engine.sicken(web)
    ah.wait_event("restart", "web", status="success")
    harness.wait(lambda: web.health == "healthy", what="its health")
    harness.wait(lambda: time.monotonic() - engine.restarts(web)[0].answered > 3.5, what="the time of an echo")
    assert not ah.events("recovered", "web")
    fault.remove()
    ah.wait_event("recovered", "web", timeout=12)
    assert not ah.log_lines("by somebody else")
    once(engine, ah, web)


# ---- the list and the stream cross

@pytest.fixture(params=["the first list", "an audit"])
def on_its_way(request, engine, autoheal):
    """on_its_way(**fault): the service, whose list is answered under this fault; the first one or a later one."""
    def start(prepare=lambda: None, **fault):
        if request.param == "the first list":
            prepare()
            made = engine.fault("GET", LIST, times=1, **fault)
            ah = autoheal(engine, ready=False)
        else:
            ah = autoheal(engine, AUTOHEAL_INTERVAL="1")
            prepare()
            made = engine.fault("GET", LIST, times=1, **fault)
        harness.wait(lambda: made.hits, what="the list to be asked for")
        return ah
    return start


def test_sick_after_the_list_was_made(engine, on_its_way):
    """The list still says healthy, and comes after the event."""
    web = engine.add("web", labels=LABEL)
    seen = []
    ah = on_its_way(delay=1, rewrite=lambda answer: seen.append(1) or answer)
    engine.sicken(web)
    healed(engine, ah, web, timeout=10)
    harness.wait(lambda: seen, what="the list")
    once(engine, ah, web)


def test_well_after_the_list_was_made(engine, on_its_way):
    """The list still says unhealthy, the event that it is well comes first: nothing is done."""
    web = engine.add("web", labels=LABEL)
    # with a streak of one: a look in turn after the list before proves nothing
    ah = on_its_way(lambda: engine.set_health(web, "unhealthy", streak=1, event=False), delay=1)
    harness.wait(lambda: engine.streams, what="the stream")
    engine.set_health(web, "healthy")
    ah.wait_ready()
    harness.wait(lambda: engine.requests("GET", LIST)[-1].answered, what="the list")
    left_alone(engine, ah, web)


def test_sick_before_the_list_is_made(engine, on_its_way):
    """Event and list agree: one illness, one heal."""
    web = engine.add("web", labels=LABEL)
    ah = on_its_way(before=0.5)
    harness.wait(lambda: engine.streams, what="the stream")
    engine.sicken(web)
    healed(engine, ah, web, timeout=10)
    once(engine, ah, web)


@pytest.mark.parametrize("read", ["before", "after"])
def test_sick_amid_the_list(engine, on_its_way, read):
    """The list comes in two pieces, and the event between them: its element was read before, or comes after."""
    first, last = engine.add("first", labels=LABEL, up=10), engine.add("last", labels=LABEL, up=9000)
    web = first if read == "before" else last
    ah = on_its_way(cuts=[900], pause=0.7)
    harness.wait(lambda: engine.streams, what="the stream")
    engine.sicken(web)
    healed(engine, ah, web, timeout=10)
    once(engine, ah, web)


def test_gone_and_new_while_the_list_is_on_its_way(engine, on_its_way):
    """The list has one that is gone, and not yet one that is new: neither comes back, neither is forgotten."""
    gone, stays = engine.add("gone", labels=LABEL), engine.add("stays", labels=LABEL)
    ah = on_its_way(delay=1)
    harness.wait(lambda: engine.streams, what="the stream")
    engine.destroy(gone)
    new = engine.start_container("new", labels=LABEL)
    ah.wait_ready()
    ah.wait_event("auto_monitor", "new")
    ah.wait_event("auto_monitor", "stays")
    sick_and_healed(engine, ah, new)
    sick_and_healed(engine, ah, stays)
    harness.wait(lambda: ah.get("/api/containers/gone").status == 404, what="the removed one to be forgotten")
    once(engine, ah, new, stays)


# ---- floods

def test_two_thousand_events_while_thirty_restarts_hang(engine, autoheal):
    """Neither the requests that wait nor the flood keep the next illness from being seen; all end healed, once each."""
    slow = [engine.add(f"slow{i}", labels=LABEL) for i in range(30)]
    quick = [engine.add(f"quick{i}", labels=LABEL) for i in range(5)]
    chatty = engine.add("chatty", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_STORM="off", AUTOHEAL_MAX_PARALLEL="64", **QUICK)
    gate = []
    engine.fault("POST", "/containers/(%s)/restart" % "|".join(c.id for c in slow),
                 also=lambda _: harness.wait(lambda: gate, 60, "the end of the flood", step=0.1))
    engine.sicken(*slow)
    for container in slow:
        engine.wait_restart(container, timeout=20)
    for _ in range(1000):
        engine.event("health_status: healthy", chatty)
        engine.event("rename", chatty)
    engine.sicken(*quick)
    for container in quick:
        healed(engine, ah, container, timeout=20)
    assert all(ah.container(c.name)["phase"] == "restarting" for c in slow)
    gate.append(1)
    for container in slow:
        healed(engine, ah, container, timeout=30)
    once(engine, ah, *slow, *quick)


def test_restarts_that_are_never_answered_and_a_cut(engine, autoheal):
    """Thirty requests hang for good, the stream is cut twice meanwhile: each was sent once, and the others are healed."""
    hung = [engine.add(f"hung{i}", labels=LABEL) for i in range(30)]
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_STORM="off", AUTOHEAL_MAX_PARALLEL="64", **QUICK)
    engine.fault("POST", "/containers/(%s)/restart" % "|".join(c.id for c in hung), black_hole=True)
    engine.sicken(*hung)
    for container in hung:
        engine.wait_restart(container, timeout=20)
    for count in (2, 3):
        engine.drop_streams()
        reconnected(engine, ah, count)
    sick_and_healed(engine, ah, web)
    assert all(len(engine.restarts(c)) == 1 for c in hung)


# ---- streams without use

def test_a_stream_that_ends_right_after_its_head(engine, autoheal):
    """In good order, again and again (a proxy that does not stream): no busy loop, and well when it is over."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    head = b"HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    fault = engine.fault("GET", "^/events$", garbage=head)
    engine.drop_streams()
    begin = time.monotonic()
    before = len(engine.log)
    harness.wait(lambda: fault.hits >= 4, 15, "four tries")
    assert time.monotonic() - begin > 2.5
    assert len(engine.log) - before <= 6 * fault.hits
    fault.remove()
    engine.wait_stream(timeout=15)
    sick_and_healed(engine, ah, web)


# ---- clocks

@pytest.mark.parametrize("hours", [-1, 1])
def test_the_engines_clock_is_an_hour_off(engine, autoheal, hours):
    """Its events are as live as others: healed at once, without an inspect before; and after a cut, once."""
    engine.set_clock(hours * 3600)
    web, db = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    fence(engine, ah)
    slow = engine.fault("GET", "/containers/.*/json", before=3)
    engine.sicken(web)
    engine.wait_restart(web, timeout=2)
    slow.remove()
    healed(engine, ah, web)
    lost(engine, ah)
    engine.sicken(db)
    engine.start()
    healed(engine, ah, db, timeout=10)
    once(engine, ah, web, db)


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_engines_clock_jumps(engine, autoheal, hours):
    """In a gap, and with the stream open: nothing is lost, nothing is done twice."""
    engine.set_clock(0)
    web, db, late = engine.add("web", labels=LABEL), engine.add("db", labels=LABEL), engine.add("late", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    sick_and_healed(engine, ah, web)
    engine.set_clock(hours * 3600)
    sick_and_healed(engine, ah, late)
    lost(engine, ah)
    engine.sicken(db)
    engine.start()
    healed(engine, ah, db, timeout=10)
    for count in (3, 4):
        engine.drop_streams()
        reconnected(engine, ah, count)
    once(engine, ah, web, db, late)


def test_what_a_person_did_after_the_clock_jumped_back(engine, autoheal):
    """The newest event that was seen lies an hour ahead now. A stop in the gap is asked for all the same."""
    engine.set_clock(3600)
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    fence(engine, ah)
    engine.set_clock(0)
    lost(engine, ah)
    engine.stop_by_person(web)
    engine.start()
    ah.wait_phase("web", "hands_off", timeout=10)
    left_alone(engine, ah, web)


# ---- the list alone

def test_changes_that_no_event_tells(engine, autoheal):
    """Vanished, renamed, new between two lists: the next one puts it right."""
    gone, old = engine.add("gone", labels=LABEL), engine.add("old", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1")
    with engine.lock:
        del engine.containers[gone.id]
        old.name = "other"
        new = engine.add("new", labels=LABEL)
    ah.wait_event("auto_monitor", "new")
    audits(engine)
    assert ah.get("/api/containers/gone").status == 404
    assert ah.container("other")["phase"] == "watching"
    sick_and_healed(engine, ah, new)
    sick_and_healed(engine, ah, old)

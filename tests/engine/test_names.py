"""An engine that is known by name: what the name server says, says late, says wrong, or never says."""
import random
import re
import time

import pytest

import harness
from name_server import NO_SUCH_NAME, SERVER_FAILURE, NameServer, address, encode, need_namespaces, record
from steps import LABEL, QUICK, sick_and_healed

NAME = "engine.home.test"


@pytest.fixture
def names():
    need_namespaces()
    with NameServer() as server:
        yield server


@pytest.fixture
def remote(make_engine):
    """An engine on TCP with a container in it."""
    engine = make_engine(tcp=True, address="127.0.0.1")
    engine.web = engine.add("web", labels=LABEL)
    return engine


def by_name(engine, name=NAME):
    return f"tcp://{name}:{engine.port}"


def first_connection(engine):
    return engine.wait_request("GET", "^/version$", timeout=15)


def test_a_name_is_looked_up(names, remote, autoheal, tmp_path):
    """A and AAAA are asked for, the answer is used for everything, and the engine is told its name in Host."""
    names.zone[NAME] = ["127.0.0.1"]
    ah = autoheal(by_name(remote), wrapper=names.wrapper(tmp_path))
    sick_and_healed(remote, ah, remote.web)
    assert set(names.asked) == {(NAME, "A"), (NAME, "AAAA")} and len(names.asked) == 2
    assert {r.headers["host"] for r in remote.log} == {f"{NAME}:{remote.port}"}


def test_an_address_of_the_sixth_kind(names, make_engine, autoheal, tmp_path):
    """Only an AAAA record."""
    try:
        engine = make_engine(tcp=True, address="::1")
    except OSError as e:
        pytest.skip(f"no IPv6 on this machine: {e}")
    web = engine.add("web", labels=LABEL)
    names.zone[NAME] = ["::1"]
    ah = autoheal(by_name(engine), wrapper=names.wrapper(tmp_path))
    sick_and_healed(engine, ah, web)


@pytest.mark.parametrize("addresses", [["127.0.0.9", "127.0.0.1"], ["::1", "127.0.0.1"],
                                       ["127.0.0.9", "127.0.0.10", "::1", "127.0.0.1"]])
def test_a_dead_address_is_passed_over(names, remote, autoheal, tmp_path, addresses):
    """Nobody listens at the first addresses: each try takes the next. Once one works, a cut stream is taken up there
    at once, not at a dead one."""
    names.zone[NAME] = addresses
    ah = autoheal(by_name(remote), ready=False, wrapper=names.wrapper(tmp_path))
    ah.wait_ready(timeout=30)
    sick_and_healed(remote, ah, remote.web)
    for count in (2, 3):
        # what stood for a second is taken up again at once
        harness.wait(lambda: time.monotonic() - remote.wait_stream().request.time > 1.1, what="a stream that stood")
        cut = time.monotonic()
        remote.drop_streams()
        assert remote.wait_request("GET", "^/events$", count, timeout=15).time - cut < 0.8
    ah.wait_ready()


def test_a_name_that_moves(names, make_engine, autoheal, tmp_path):
    """The engine's host gets another address (DHCP, a container recreated): each reconnect asks anew."""
    old = make_engine(tcp=True, address="127.0.0.1")
    names.zone[NAME] = ["127.0.0.1"]
    ah = autoheal(by_name(old), wrapper=names.wrapper(tmp_path))
    new = make_engine(tcp=True, address="127.0.0.2")
    new.stop()
    new.port = old.port
    web = new.add("web", labels=LABEL)
    new.start()
    names.zone[NAME] = ["127.0.0.2"]
    old.stop()
    first_connection(new)
    ah.wait_event("auto_monitor", "web", timeout=10)
    sick_and_healed(new, ah, web)
    assert not [r for r in old.log if r.time > new.log[0].time]


def test_a_name_in_the_hosts_file_is_not_asked_for(names, remote, autoheal, tmp_path):
    """extra_hosts and host.docker.internal are lines in /etc/hosts."""
    hosts = "127.0.0.1\tlocalhost\n::1 localhost\n127.0.0.1   other host.docker.internal # ours\n"
    ah = autoheal(by_name(remote, "host.docker.internal"), wrapper=names.wrapper(tmp_path, hosts=hosts))
    sick_and_healed(remote, ah, remote.web)
    assert not names.asked


def test_a_short_name_is_tried_below_the_search_domains(names, remote, autoheal, tmp_path):
    """As Kubernetes and many a router set it up."""
    names.zone["engine.lan.test"] = ["127.0.0.1"]
    ah = autoheal(by_name(remote, "engine"), wrapper=names.wrapper(tmp_path, options="search no.test lan.test\n"))
    sick_and_healed(remote, ah, remote.web)
    assert [n for n, _ in names.asked[::2]] == ["engine", "engine.no.test", "engine.lan.test"]


@pytest.mark.parametrize("code", [None, SERVER_FAILURE])
def test_the_next_name_server_is_asked(names, remote, autoheal, tmp_path, code):
    """The first one is not there, or cannot say."""
    with NameServer() as first:
        first.codes[NAME] = code
        if code is None:
            first.close()
        names.zone[NAME] = ["127.0.0.1"]
        ah = autoheal(by_name(remote), wrapper=names.wrapper(tmp_path, servers=[first.ip, names.ip]))
        sick_and_healed(remote, ah, remote.web)


def test_one_kind_of_record_is_never_answered_for(names, remote, autoheal, tmp_path):
    """Some routers drop questions for AAAA: the address that came is used all the same."""
    names.zone[NAME] = ["127.0.0.1"]
    names.silent.add((NAME, "AAAA"))
    ah = autoheal(by_name(remote), wrapper=names.wrapper(tmp_path))
    sick_and_healed(remote, ah, remote.web)


def test_a_name_that_does_not_exist(names, remote, autoheal, tmp_path):
    """A sentence with the name in it, once, in the log and by /health; no tight loop; found as soon as it exists."""
    names.codes[NAME] = NO_SUCH_NAME
    ah = autoheal(by_name(remote), ready=False, wrapper=names.wrapper(tmp_path)).wait_up()
    ah.wait_log(rf"the name {re.escape(NAME)} has no address")
    names.wait_asked(NAME, 6)
    health = ah.get("/health")
    assert health.status == 503 and NAME in health.json()["reason"]
    assert len(ah.log_lines("has no address")) == 1 and len(names.asked) < 12
    names.zone[NAME] = ["127.0.0.1"]
    del names.codes[NAME]
    ah.wait_ready(timeout=15)
    sick_and_healed(remote, ah, remote.web)


def lies(question):
    """What is no answer to the question, in every way that is cheap to get wrong."""
    good = [record(question.kind, address("::2" if question.kind == "AAAA" else "127.0.0.99"))]
    other = bytes([question.id[0] ^ 0x55, question.id[1]])
    noise = random.Random(question.id)
    return [
        b"", b"\0", question.packet, question.id, noise.randbytes(600), question.id + noise.randbytes(100),
        question.answer(good, id=other), question.answer(good, flags=0x0180), question.answer(good, questions=0),
        question.answer(good, section=encode("evil.test") + question.section[-4:][:2] + b"\0\3"),
        question.answer(good, section=b"\x3fshort"), question.answer(good, section=b"\xc0"),
    ]


def odd(question, addresses):
    """An answer that is right, and as crooked as one may be: an alias, other types, wrong lengths, a bad end."""
    alias = encode("real.test")
    records = [record("CNAME", alias), record("A", b"\1\2\3"), record("AAAA", b"\xff" * 15), record("CNAME", b"", alias)]
    records += [record(question.kind, address(a), alias) for a in addresses if (":" in a) == (question.kind == "AAAA")]
    return question.answer(records, count=len(records) + 9) + b"\xc0"


@pytest.mark.parametrize("crooked", [False, True])
def test_lies_before_the_answer(names, remote, autoheal, tmp_path, crooked):
    """What is no answer to the question is passed over, the real one is waited for; an alias leads to an address."""
    names.zone[NAME] = ["127.0.0.1"]
    names.before = lambda q: lies(q) + ([odd(q, names.zone[NAME])] if crooked else [])
    if crooked:
        names.silent.add(NAME)
    ah = autoheal(by_name(remote), wrapper=names.wrapper(tmp_path))
    sick_and_healed(remote, ah, remote.web)


@pytest.mark.first
def test_nothing_but_lies(names, remote, autoheal, tmp_path):
    """The name counts as unknown, and nothing breaks."""
    names.zone[NAME] = ["127.0.0.1"]
    names.silent.add(NAME)
    names.before = lies
    ah = autoheal(by_name(remote), ready=False, wrapper=names.wrapper(tmp_path)).wait_up()
    ah.wait_log(rf"the name {re.escape(NAME)} has no address", timeout=20)
    names.before = None
    names.silent.clear()
    ah.wait_ready(timeout=20)
    sick_and_healed(remote, ah, remote.web)


@pytest.mark.first
def test_a_name_server_that_never_answers_delays_nothing(names, remote, make_engine, autoheal, tmp_path):
    """While one engine's name is being looked up in vain, the API answers at once and another engine's container is
    healed in its usual time; then the name is known after all."""
    local = make_engine()
    shop = local.add("shop", labels=LABEL)
    names.silent.add(NAME)
    ah = autoheal(None, ready=False, wrapper=names.wrapper(tmp_path), DOCKER_HOST=None,
                  AUTOHEAL_HOSTS=f"far={by_name(remote)},near={local.url}", **QUICK).wait_up()
    names.wait_asked(NAME, 2)
    ah.wait_event("auto_monitor", "shop")
    slowest = 0
    for count in range(1, 6):
        sick = time.monotonic()
        local.sicken(shop)
        assert local.wait_restart(shop, count).time - sick < 1
        ah.wait_event("recovered", "shop", count=count)
        asked = time.monotonic()
        engines = {e["host"]: e["connected"] for e in ah.get("/api/status").json()["engines"]}
        slowest = max(slowest, time.monotonic() - asked)
        assert engines == {"far": False, "near": True}
    assert slowest < 1, f"an answer of the API took {slowest:.2f} s"
    names.wait_asked(NAME, 3, timeout=20)
    names.zone[NAME] = ["127.0.0.1"]
    names.silent.clear()
    ah.wait_event("auto_monitor", "web", timeout=25)
    sick_and_healed(remote, ah, remote.web)

"""What is kept of an incident: what was done, how it ended, and the evidence that a restart would wipe out."""
import re
import time

import pytest

import harness
from steps import LABEL, QUICK, TIMESTAMP, fence, healed, sick_and_healed

MEMBERS = {"id", "stable_id", "container_name", "host", "opened", "closed", "cause", "detected_by", "actions", "outcome",
           "seconds_to_recover", "evidence"}


def incidents(ah, name="web", token=True):
    answer = ah.get(f"/api/containers/{name}/incidents", token=token)
    assert answer.status == 200, answer
    return answer.json()


def closed(ah, name="web", count=1):
    """The count-th incident, once it is over."""
    def found():
        all_of_it = incidents(ah, name)
        return len(all_of_it) >= count and all_of_it[count - 1]["closed"] and all_of_it[count - 1]
    return harness.wait(found, 10, f"the end of incident {count} of {name}")


def gathered(ah, name="web"):
    """The last incident, once its evidence is whole."""
    def found():
        last = incidents(ah, name)[-1]
        return last if last["evidence"] and None not in last["evidence"].values() else None
    return harness.wait(found, 5, f"the evidence of {name}")


def logs(engine, container):
    return engine.requests("GET", f"^/containers/{container.id}/logs$")


def test_a_heal_from_beginning_to_end(engine, autoheal):
    web = engine.add("web", labels=LABEL, heals_after=0.2)
    web.lines = ["starting", (2, "out of \"handles\"")]
    ah = autoheal(engine)
    assert incidents(ah) == []
    engine.sicken(web, output="connection refused\n")
    healed(engine, ah, web)
    one = gathered(ah)
    assert MEMBERS <= set(one)
    assert one["id"] == ah.events("restart", "web")[0]["incident"] == ah.events("recovered", "web")[0]["incident"]
    assert (one["stable_id"], one["container_name"], one["host"]) == ("web", "web", "local")
    assert (one["cause"], one["detected_by"], one["outcome"]) == ("unhealthy", "event", "recovered")
    assert all(re.fullmatch(TIMESTAMP, one[word]) for word in ("opened", "closed"))
    assert one["opened"] <= one["actions"][0]["at"] <= one["closed"]
    action, = one["actions"]
    assert (action["action"], action["status"], action["error"]) == ("restart", "success", None)
    assert 0 <= action["duration_ms"] < 5000 and 0.2 <= one["seconds_to_recover"] < 5
    probe, = one["evidence"].pop("probes")
    assert re.fullmatch(TIMESTAMP, probe["end"]) and (probe["exit_code"], probe["output"]) == (1, "connection refused\n")
    assert one["evidence"] == {"exit_code": 0, "oom_killed": False, "log": "starting\nout of \"handles\"\n"}


def test_it_is_asked_right_after_the_request_on_other_connections(engine, autoheal):
    """Beside the restart that is under way, and each on a connection of its own; once an incident."""
    web = engine.add("web", labels=LABEL, stop_seconds=1)
    ah = autoheal(engine)
    fence(engine, ah)
    engine.forget_requests()
    engine.sicken(web)
    restart = engine.wait_restart(web)
    log = engine.wait_request("GET", f"/containers/{web.id}/logs")
    inspect = engine.wait_request("GET", f"/containers/{web.id}/json")
    assert log.query == {"stdout": "1", "stderr": "1", "tail": "50"}
    assert engine.link_of(restart).number < min(engine.link_of(r).number for r in (log, inspect))
    assert engine.link_of(log) != engine.link_of(inspect)
    assert max(log.time, inspect.time) - restart.time < 0.5
    one = gathered(ah)
    assert one["outcome"] == "open" and one["closed"] is None and one["seconds_to_recover"] is None
    assert one["actions"][0]["status"] is None and one["actions"][0]["duration_ms"] is None
    ah.wait_event("recovered", "web")
    assert len(logs(engine, web)) == 1


def test_a_proof_just_before_serves(engine, autoheal):
    """A crash is proven by an inspect: after the start the exit code would be gone."""
    web = engine.add("web", labels=LABEL, restart_policy="no")
    ah = autoheal(engine)
    web.oom_killed = True
    engine.die(web, 137)
    engine.wait_post(web, "start", timeout=10)
    one = gathered(ah)
    assert (one["cause"], one["detected_by"]) == ("crash", "event")
    assert (one["evidence"]["exit_code"], one["evidence"]["oom_killed"]) == (137, True)
    assert [a["action"] for a in one["actions"]] == ["start"]


TROUBLES = {
    "hangs": {"black_hole": True},
    "slow": {"before": 4},
    "refused": {"status": 403, "body": "<html>Forbidden</html>", "headers": {"Content-Type": "text/html"}},
    "the driver cannot": {"status": 501, "body": {"message": "configured logging driver does not support reading"}},
    "cut": {"close_after": 30},
    "nonsense": {"garbage": b"\x00\x01\x02\xff" * 20},
    "closed": {"garbage": b""},
}


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_what_does_not_come_delays_nothing(engine, autoheal, trouble):
    """Neither the heal, nor its telling, nor the next one; it is a word for DEBUG at most."""
    web, db = (engine.add(name, labels=LABEL) for name in ("web", "db"))
    ah = autoheal(engine)
    fence(engine, ah)
    engine.fault("GET", "/containers/.*/(logs|json)$", **TROUBLES[trouble])
    start = time.monotonic()
    engine.sicken(web)
    healed(engine, ah, web)
    sick_and_healed(engine, ah, db)
    assert time.monotonic() - start < 3
    engine.faults.clear()
    one = closed(ah)
    assert one["outcome"] == "recovered" and not one["evidence"]
    assert not ah.log_lines("WARNING|ERROR")


def test_two_seconds_after_the_answer_it_is_over(engine, autoheal):
    """What is late is left out, and its connections are given back."""
    web = engine.add("web", labels=LABEL)
    web.lines = ["too late"]
    ah = autoheal(engine)
    fence(engine, ah)
    engine.fault("GET", f"/containers/{web.id}/logs", black_hole=True)
    engine.sicken(web)
    log = engine.wait_request("GET", f"/containers/{web.id}/logs")
    link = engine.link_of(log)
    answered = engine.wait_restart(web).time
    harness.wait(lambda: link.closed, 6, "the connection to be closed")
    assert 1.5 < time.monotonic() - answered
    one = closed(ah)
    assert one["evidence"]["log"] is None and one["evidence"]["exit_code"] == 0


def test_four_kib_of_whatever_a_container_says(engine, autoheal):
    """Five probes of 4 KiB and a log without an end: the beginnings of the ones, the end of the other."""
    web = engine.add("web", labels=LABEL, stop_seconds=0.5)
    web.lines = [f"line {i} " + "y" * 700 for i in range(2000)]
    ah = autoheal(engine)
    for i in range(8):
        engine.set_health(web, "unhealthy", streak=1, output=f"<{i}>" + "x" * 4090, event=False)
    engine.sicken(web, output="<last>" + "x" * 4090)
    healed(engine, ah, web)
    evidence = gathered(ah)["evidence"]
    assert [p["output"][:3] for p in evidence["probes"]] == ["<4>", "<5>", "<6>", "<7>", "<la"]
    text = "".join(p["output"] for p in evidence["probes"]) + evidence["log"]
    assert 3000 < len(text.encode()) <= 4096
    assert evidence["log"].startswith("line ") and re.search("(?m)^line", evidence["log"])


def test_hostile_bytes(engine, autoheal):
    """Control bytes, invalid UTF-8, quotes, mentions: what comes out is JSON, and a log that lies about its frames harms nobody."""
    web = engine.add("web", labels=LABEL, stop_seconds=0.3)
    web.lines = [b"\x1b[31mred\x00\"\\\n", (2, b"\xff\xfe \xc3\n"), "‮txt @everyone"]
    ah = autoheal(engine)
    engine.sicken(web, output="\u0000\u001b]0;x\u0007\"\\\ud83d")
    healed(engine, ah, web)
    evidence = gathered(ah)["evidence"]
    assert evidence["log"] == "\x1b[31mred\x00\"\\\n\ufffd\ufffd \ufffd\n‮txt @everyone\n"
    assert evidence["probes"][-1]["output"] == "\ufffd\x1b]0;x\x07\"\\\ufffd"
    raw = ah.get("/api/containers/web/incidents", token=True).body
    assert not re.search(rb"[\x00-\x1f\x7f]", raw.replace(b"\n", b""))


@pytest.mark.parametrize("bytes_of_it,shown", [
    (b"\x01\x00\x00\x00\xff\xff\xff\xffnever so long", "never so long"),
    (b"plain\r\n", "plain\r\n"),
    (b"\x01\x00\x00\x00\x00\x00\x00\x02a\n\x09rest", "a\n\trest"),
])
def test_frames_that_are_none(engine, autoheal, bytes_of_it, shown):
    web = engine.add("web", labels=LABEL)
    web.tty, web.lines = True, [bytes_of_it]
    ah = autoheal(engine)
    sick_and_healed(engine, ah, web)
    assert gathered(ah)["evidence"]["log"] == shown


@pytest.mark.parametrize("reads,token,masked", [("safe", False, True), ("safe", True, False), ("open", False, False),
                                                ("token", True, False)])
def test_who_sees_outputs_and_log(engine, autoheal, reads, token, masked):
    web = engine.add("web", labels=LABEL, stop_seconds=0.5)
    web.lines = ["password=hunter2"]
    ah = autoheal(engine, AUTOHEAL_API_READS=reads)
    engine.sicken(web, output="token abc")
    healed(engine, ah, web)
    gathered(ah)
    evidence = incidents(ah, token=token)[0]["evidence"]
    assert evidence["log"] == ("***" if masked else "password=hunter2\n")
    assert [p["output"] for p in evidence["probes"]] == ["***" if masked else "token abc"]
    assert evidence["exit_code"] == 0


def test_reading_them_needs_the_token_where_all_reading_does(engine, autoheal):
    engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_API_READS="token")
    assert ah.get("/api/containers/web/incidents").status == 401


def test_how_incidents_end(engine, autoheal):
    """Told as an event each, and in the incident."""
    settings = {**QUICK, "AUTOHEAL_MAX_RESTARTS": "1", "AUTOHEAL_RECOVERY_TIMEOUT": "1"}
    never, exits, watched, dry = (engine.add(name, labels={**LABEL, **more}) for name, more in (
        ("never", {}), ("exits", {"autoheal.action": "stop"}), ("watched", {"autoheal.restart.enable": "false"}), ("away", {})))
    never.heals_after = None
    dry.heals_after = None
    ah = autoheal(engine, **settings)
    engine.sicken(never, exits, watched, dry)
    engine.wait_restart(dry)
    ah.wait_event("restart", "away")
    engine.stop_by_person(dry)
    ah.wait_event("restart", "watched")
    engine.set_health(watched, "healthy")
    assert closed(ah, "exits")["outcome"] == "not_recovered"
    assert closed(ah, "watched")["outcome"] == "recovered"
    assert closed(ah, "away")["outcome"] == "cancelled"
    engine.set_health(never, "unhealthy", event=False)
    ah.wait_event("not_recovered", "never", timeout=10)
    engine.sicken(never)
    ah.wait_event("quarantine", "never", timeout=10)
    one = closed(ah, "never")
    assert one["outcome"] == "quarantined" and one["seconds_to_recover"] is None
    for name, kind in (("watched", ("skipped", "recovered")), ("away", ("skipped", "stopped")), ("never", ("quarantine", "quarantined"))):
        last = ah.events(container=name)[-1]
        assert (last["event_type"], last["status"]) == kind and last["incident"] == closed(ah, name)["id"]


def test_a_relapse_takes_the_success_back(engine, autoheal):
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    sick_and_healed(engine, ah, web)
    assert closed(ah)["outcome"] == "recovered"
    sick_and_healed(engine, ah, web, 2)
    first, second = incidents(ah)
    assert (first["outcome"], second["outcome"]) == ("not_recovered", "recovered")
    assert ah.wait_event("not_recovered", "web", status="relapsed")["incident"] == first["id"]


def test_one_that_is_gone(engine, autoheal):
    """Its incident ends, and can still be read."""
    web = engine.add("web", labels=LABEL, stop_seconds=0.2, heals_after=None)
    ah = autoheal(engine)
    engine.sicken(web)
    ah.wait_event("restart", "web")
    engine.destroy(web)
    ah.wait_event("skipped", "web")
    assert closed(ah)["outcome"] == "cancelled"
    assert ah.get("/api/containers/nobody/incidents").status == 404


def test_a_restart_by_hand(engine, autoheal):
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    answer = ah.post("/api/containers/web/restart")
    assert answer.status == 202
    one = closed(ah)
    assert (one["id"], one["cause"], one["detected_by"]) == (answer.json()["incident"], "manual", "person")


def test_the_last_32_and_the_evidence_of_the_last_8(engine, autoheal):
    many = [engine.add(f"c{i:02}", labels=LABEL) for i in range(40)]
    ah = autoheal(engine, AUTOHEAL_STORM="off")
    for container in many:
        sick_and_healed(engine, ah, container)
        gathered(ah, container.name)
    known = [incidents(ah, c.name) for c in many]
    assert [len(k) for k in known] == [0] * 8 + [1] * 32
    assert [bool(k[0]["evidence"]) for k in known[8:]] == [False] * 24 + [True] * 8

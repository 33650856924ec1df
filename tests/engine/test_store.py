"""What outlives autoheal in AUTOHEAL_DATA_DIR, and what its own end, a full, a slow or a foreign folder does to it."""
import json
import os
import random
import signal
import stat
import subprocess
import threading
import time

import pytest

import harness

from engine_wire import HTTPError
from steps import LABEL, QUICK, fence, healed, left_alone, sick_and_healed

RESTARTS = ("restart", "dependent_restart", "stranded")


@pytest.fixture
def web(engine):
    return engine.add("web", labels=LABEL, up=7200)


@pytest.fixture
def start(engine, folder, autoheal):
    """start(**settings): the service with the folder. The engine tells its clock, as real ones do."""
    engine.set_clock(0)

    def begin(**kw):
        return autoheal(engine, **{"AUTOHEAL_DATA_DIR": folder, **QUICK, **kw})
    return begin


def state(folder):
    """(head, {identity: its record}) of state.json."""
    try:
        elements = json.loads((folder / "state.json").read_text())["state"]
    except FileNotFoundError:
        return {}, {}
    return elements[0], {e["id"]: e for e in elements[1:]}


def record(folder, name):
    return state(folder)[1].get(name, {})


def on_disk(folder):
    """The events in the file; there is none before the first was written."""
    if not (folder / "events.jsonl").exists():
        return []
    lines = (folder / "events.jsonl").read_text().split("\n")[:-1]     # the last may be being written
    assert lines[0] == '{"autoheal":1}'
    return [json.loads(line) for line in lines[1:]]


def again(ah, sig=signal.SIGTERM):
    """Ends it and starts it anew."""
    ah.stop(sig)
    begins(ah)
    ah.wait_ready()


def begins(ah):
    ah.start()
    ah.wait_up()


def restarts_told(ah, container):
    return [e for e in ah.events() if e["event_type"] in RESTARTS and e["container_name"] == container.name]


# ---- what is kept

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_counts_quarantine_snooze_maintenance_and_choices_survive(engine, folder, web, start, sig):
    bad = engine.add("bad", labels=LABEL, heals_after=None)
    engine.add("db")
    engine.add("noisy", labels=LABEL)
    ah = start(AUTOHEAL_MAX_RESTARTS="1")
    sick_and_healed(engine, ah, web)
    engine.sicken(bad)
    ah.wait_event("restart", "bad")
    engine.set_health(bad, "healthy")
    ah.wait_event("recovered", "bad")
    engine.sicken(bad)
    ah.wait_event("quarantine", "bad")
    for ids, enabled in ((["db"], True), (["noisy"], False)):
        assert ah.post("/api/containers/select", {"container_ids": ids, "enabled": enabled}).status == 200
    assert json.loads((folder / "config.json").read_text()) == {
        "autoheal": 1, "containers": {"selected": ["db"], "excluded": ["noisy"]}}
    until = ah.post("/api/containers/web/snooze", {"for": "2h"}).json()["until"]
    assert record(folder, "web")["snoozed_until"] > time.time() * 1000
    shown = ah.post("/api/maintenance/enable", {"for": "1h"}).json()
    assert state(folder)[0]["until"] > time.time() * 1000
    before = ah.events()
    harness.wait(lambda: len(on_disk(folder)) == len(before))
    assert on_disk(folder) == before

    again(ah, sig)
    assert ah.get("/api/maintenance/status").json()["maintenance_start_time"] == shown["maintenance_start_time"]
    assert ah.get("/api/maintenance/status").json()["until"][:19] == shown["until"][:19]
    assert ah.container("web")["restart_count"] == 1
    assert ah.container("bad")["phase"] == "quarantined" and ah.container("bad")["quarantined"]
    assert ah.container("db")["monitored"] and not ah.container("noisy")["monitored"]
    assert ah.get("/api/config").json()["containers"]["selected_by"] == {"db": "person", "web": "label", "bad": "label"}
    after = ah.events()
    assert after[:len(before)] == before                          # the ring is filled again
    assert [e["seq"] for e in after] == sorted({e["seq"] for e in after})
    assert not [e for e in after[len(before):] if e["event_type"] in ("auto_monitor", "maintenance", "quarantine")]
    assert ah.post("/api/containers/web/snooze", {"for": 0}).json() == {"until": None}
    assert ah.post("/api/maintenance/disable").json()["maintenance_mode"] is False
    assert until and not engine.posts()[3:]


def test_an_incident_and_its_cooldown_go_on(engine, folder, start):
    """Sick during the cooldown: the restart comes when that is over, not at once, and is the second."""
    web = engine.add("web", labels=LABEL)
    ah = start(AUTOHEAL_COOLDOWN="3")
    begin = time.monotonic()
    sick_and_healed(engine, ah, web)
    engine.sicken(web)
    ah.wait_phase("web", "waiting")
    harness.wait(lambda: record(folder, "web").get("phase") == 1)
    incident = record(folder, "web")["incident"]
    again(ah, signal.SIGKILL)
    engine.wait_restart(web, 2)
    assert time.monotonic() - begin > 2.9
    event = ah.wait_event("restart", "web", count=2)
    assert int(event["incident"], 16) == incident and event["restart_count"] == 2


def test_a_heal_that_is_not_proven_yet_is_proven_after_the_start(engine, folder, start):
    web = engine.add("web", labels=LABEL, heals_after=None)
    ah = start()
    engine.sicken(web)
    ah.wait_phase("web", "verifying")
    harness.wait(lambda: record(folder, "web").get("phase") == 3)
    ah.stop(signal.SIGKILL)
    engine.set_health(web, "healthy")
    begins(ah)
    recovered = ah.wait_event("recovered", "web")
    assert recovered["incident"] == ah.events("restart", "web")[0]["incident"]
    left_alone_but(engine, ah, web, 1)


def left_alone_but(engine, ah, container, count):
    """No more than these requests."""
    fence(engine, ah)
    assert len([r for r in engine.posts() if container.id in r.path]) == count


def test_a_selection_by_a_label_ends_where_its_container_is_gone(engine, folder, web, start):
    ah = start()
    fence(engine, ah)
    ah.stop()
    assert record(folder, "web")["announced"] == 1 and not (folder / "config.json").exists()
    web.labels.clear()
    begins(ah)
    ah.wait_event("selection", "web", status="ended")


def test_events_are_cleared_on_disk_too(folder, web, start):
    ah = start()
    ah.wait_event("auto_monitor")
    harness.wait(lambda: (folder / "events.jsonl").exists())
    assert ah.delete("/api/events").status == 200
    assert [e["status"] for e in on_disk(folder)] == ["events_cleared"]
    again(ah)
    assert ah.events()[0]["status"] == "events_cleared" and ah.events()[0]["seq"] > 1


# ---- the folder

def test_a_damaged_file_of_its_own_is_set_aside(engine, folder, web, start):
    ah = start()
    sick_and_healed(engine, ah, web)
    ah.post("/api/containers/select", {"container_ids": ["web"], "enabled": True})
    ah.stop()
    for name in ("state.json", "config.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text[:-8])
    with open(folder / "events.jsonl", "a") as f:
        f.write('{"timestamp":"2025-')
    begins(ah)
    ah.wait_ready()
    ah.wait_log("state.json in .* is damaged")
    ah.wait_log("config.json in .* is damaged")
    assert {p.name.split(".")[0] for p in folder.glob("*.damaged")} == {"state", "config"}
    sick_and_healed(engine, ah, web, 2)
    assert len(ah.events("restart", "web")) == 2
    ah.stop()
    bad = [line for line in (folder / "events.jsonl").read_text().splitlines() if not line.endswith("}")]
    assert bad == ['{"timestamp":"2025-']                         # its line ended before the next began


@pytest.mark.parametrize("name", ["state.json", "config.json", "events.jsonl", "events.1.jsonl", "incidents.json"])
@pytest.mark.parametrize("text", ['{"monitor": {}}', "", '{"autoheal":12}', "folder"])
def test_a_foreign_file_is_left_as_it_is(engine, folder, web, start, name, text):
    if text == "folder":
        (folder / name).mkdir()
    else:
        (folder / name).write_text(text)
    ah = start()
    ah.wait_log(rf"ERROR - {name} in AUTOHEAL_DATA_DIR=.* was not written by autoheal")
    sick_and_healed(engine, ah, web)
    assert ah.post("/api/containers/web/snooze", {"for": "2h"}).status == 200
    ah.stop()
    assert os.listdir(folder) == [name]
    assert text == "folder" or (folder / name).read_text() == text


# ---- incidents and their evidence

def incidents(ah, name="web", token=True):
    answer = ah.get(f"/api/containers/{name}/incidents", token=token)
    assert answer.status == 200, answer
    return answer.json()


def stored(folder):
    try:
        return json.loads((folder / "incidents.json").read_text())["incidents"]
    except FileNotFoundError:
        return []


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_incidents_and_evidence_survive(engine, folder, web, start, sig):
    """What is shown after the start is what was shown before, masked for whom it was masked; and numbers go on."""
    web.lines = ["starting", "out of \"handles\" \x1b[31m"]
    web.stop_seconds = 1                                          # so that it is looked at before
    ah = start()
    engine.sicken(web, output="connection refused\n")
    healed(engine, ah, web)
    shown = harness.wait(lambda: [i for i in incidents(ah) if i["closed"] and i["evidence"] and None not in i["evidence"].values()],
                         what="the evidence")
    fence(engine, ah)
    harness.wait(lambda: stored(folder) == shown, what="it to be on disk")
    assert stat.S_IMODE((folder / "incidents.json").stat().st_mode) == 0o600
    again(ah, sig)
    assert incidents(ah) == shown and shown[0]["evidence"]["probes"][-1]["output"] == "connection refused\n"
    assert incidents(ah, token=False)[0]["evidence"]["log"] == "***"
    sick_and_healed(engine, ah, web, 2)
    assert [i["id"] for i in incidents(ah)][0] == shown[0]["id"] and len({i["id"] for i in incidents(ah)}) == 2


def test_the_last_32_have_their_evidence(engine, folder, start, autoheal, tmp_path):
    """On disk all of them, in memory without a folder the last 8."""
    many = [engine.add(f"c{i:02}", labels=LABEL) for i in range(34)]
    for settings, most in (({}, 32), ({"AUTOHEAL_DATA_DIR": None}, 8)):
        ah = start(AUTOHEAL_STORM="off", **settings)
        for container in many:
            container.lines = [f"log of {container.name}"]
            engine.sicken(container, output="refused")
            ah.wait_event("recovered", container.name)
            harness.wait(lambda name=container.name: incidents(ah, name)[-1]["evidence"], what="evidence")
        if most == 32:
            again(ah)
        kept = [i for c in many for i in incidents(ah, c.name)]
        assert [i["container_name"] for i in kept] == [c.name for c in many[2:]]
        with_evidence = [i for i in kept if i["evidence"]]
        assert with_evidence == kept[-most:] and with_evidence[-1]["evidence"]["log"] == "log of c33\n"
        ah.stop()


def test_an_incident_that_is_open_at_the_end_goes_on(engine, folder, start):
    """Taken up, it is the same one; of a container that is gone meanwhile it is over."""
    web, gone = (engine.add(name, labels=LABEL, heals_after=None) for name in ("web", "gone"))
    ah = start(AUTOHEAL_RECOVERY_TIMEOUT="60")
    for container in (web, gone):
        engine.sicken(container, output="refused")
        ah.wait_event("restart", container.name)
    harness.wait(lambda: all(incidents(ah, n)[0]["evidence"] for n in ("web", "gone")), what="evidence")
    before = incidents(ah)
    ah.stop()
    engine.destroy(gone)
    begins(ah)
    ah.wait_ready()
    engine.set_health(web, "healthy")
    ah.wait_event("recovered", "web")
    after, = incidents(ah)
    assert after["id"] == before[0]["id"] and after["outcome"] == "recovered" and after["closed"]
    assert after["evidence"] == before[0]["evidence"] and after["actions"] == before[0]["actions"]
    over, = incidents(ah, "gone")
    assert over["outcome"] == "cancelled" and over["closed"] and over["evidence"]


@pytest.mark.parametrize("how", ["torn", "nonsense", "too large"])
def test_incidents_that_are_damaged(engine, folder, web, start, how):
    """What can be read counts, the file is renamed, and numbers are not used twice."""
    ah = start()
    sick_and_healed(engine, ah, web)
    sick_and_healed(engine, ah, web, 2)
    ah.stop()
    (folder / "state.json").unlink()
    one, two = stored(folder)
    file = folder / "incidents.json"
    if how == "torn":
        file.write_bytes(file.read_bytes()[:-40])
    elif how == "nonsense":
        file.write_text('{"autoheal":1,"incidents":[\n' + json.dumps(one) + ',\n7,[],{"id":"zz"},{"id":"1","opened":1},\x01]}\n')
    else:
        with open(file, "r+b") as f:
            f.truncate(65 << 20)
    begins(ah)
    ah.wait_ready()
    ah.wait_log("incidents.json in .* is damaged")
    assert len(list(folder.glob("incidents.json.*.damaged"))) == 1
    assert [i["id"] for i in incidents(ah)] == ([] if how == "too large" else [one["id"]])
    sick_and_healed(engine, ah, web, 3)
    harness.wait(lambda: len(incidents(ah)) == (1 if how == "too large" else 2), what="the next")
    ah.stop()
    assert len({i["id"] for i in stored(folder)}) == len(stored(folder)) > 0


def test_a_foreign_file_that_comes_later_is_not_overwritten(engine, folder, web, start):
    ah = start()
    (folder / "config.json").write_text("mine")
    answer = ah.post("/api/containers/select", {"container_ids": ["web"], "enabled": True})
    assert answer.status == 503 and "not written by autoheal" in answer.json()["error"]
    ah.stop()
    assert (folder / "config.json").read_text() == "mine"


def test_a_second_one_on_the_folder_says_so_and_exits(engine, folder, web, start):
    ah = start()
    done = harness.run(AUTOHEAL_DATA_DIR=folder, DOCKER_HOST=engine.url, AUTOHEAL_LISTEN="off", AUTOHEAL_INSTANCE="second")
    assert done.returncode == 78 and "another autoheal uses AUTOHEAL_DATA_DIR" in done.stderr
    sick_and_healed(engine, ah, web)


def test_without_the_folder_it_heals_and_says_so(engine, web, autoheal, tmp_path):
    ah = autoheal(engine, AUTOHEAL_DATA_DIR=tmp_path / "nowhere", **QUICK)
    ah.wait_log("AUTOHEAL_DATA_DIR=.*nowhere cannot be used: No such file or directory")
    sick_and_healed(engine, ah, web)


def test_a_folder_that_cannot_be_written_is_told_once_and_again_when_it_can(engine, folder, web, start):
    (folder / ".autoheal.tmp").mkdir()                            # where the next text would be written
    ah = start()
    for count in (1, 2, 3):
        sick_and_healed(engine, ah, web, count)
    answer = ah.post("/api/containers/web/snooze", {"for": "2h"})
    assert answer.status == 503 and "not stored: Is a directory" in answer.json()["error"]
    assert ah.post("/api/maintenance/enable").status == 503 and ah.get("/api/status").json()["maintenance_mode"] is True
    assert ah.get("/api/maintenance/status").json()["maintenance_mode"] is True      # it waits for no disk
    assert len(ah.log_lines("cannot be written")) == 1
    (folder / ".autoheal.tmp").rmdir()
    assert ah.post("/api/maintenance/disable").status == 200
    assert len(ah.log_lines("cannot be written")) == len(ah.log_lines("can be written again")) == 1
    assert record(folder, "web")["restarts"] == 3
    assert len([e for e in on_disk(folder) if e["event_type"] == "restart"]) == 3


def mounted(path, *options):
    return subprocess.run(["mount", *options, str(path)], stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_full_or_read_only_disk(engine, folder, web, start, how):
    if not mounted(folder, "-t", "tmpfs", "-o", "size=16k" if how == "full" else "ro", "none"):
        pytest.skip("no mount here")
    try:
        if how == "full":
            with open(folder / "filler", "wb") as f, pytest.raises(OSError):
                f.write(b"x" * 65536)
        ah = start()
        sick_and_healed(engine, ah, web)
        ah.wait_log("cannot be written: " + ("No space left" if how == "full" else "Read-only file system"))
        sick_and_healed(engine, ah, web, 2)
        assert len(ah.log_lines("cannot be written")) == 1
        ah.stop()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.first
def test_heals_go_on_while_the_disk_sleeps(engine, folder, web, start):
    """A pipe that nobody reads stands in for it: the child hangs in open()."""
    os.mkfifo(folder / ".autoheal.tmp")
    ah = start()
    begin = time.monotonic()
    answer = ah.post("/api/containers/web/snooze", {"for": "2h"}, timeout=20)
    assert answer.status == 503 and 4 < time.monotonic() - begin < 15
    db = engine.start_container("db", labels=LABEL)
    ah.wait_event("auto_monitor", "db")
    engine.sicken(db)
    engine.wait_restart(db)
    ah.wait_event("recovered", "db")
    assert len(subprocess.run(["pgrep", "-P", str(ah.pid)], capture_output=True).stdout.split()) == 1   # one at a time
    begin = time.monotonic()
    assert ah.stop() == 0 and time.monotonic() - begin < 8
    with open(os.open(folder / ".autoheal.tmp", os.O_RDONLY | os.O_NONBLOCK), "rb"):
        time.sleep(0.1)                                           # the child goes on, and ends
    assert not (folder / "state.json").exists()


def test_events_are_rotated_and_stay_bounded(engine, folder, web, start):
    ah = start()
    fence(engine, ah)
    ah.stop()
    line = json.dumps({**on_disk(folder)[0], "seq": 1, "message": "x" * 1000}) + "\n"
    with open(folder / "events.jsonl", "a") as f:
        while f.tell() <= 1 << 20:
            f.write(line)
    begins(ah)
    ah.wait_ready()
    sick_and_healed(engine, ah, web)
    harness.wait(lambda: (folder / "events.1.jsonl").exists() and (folder / "events.jsonl").exists())
    again(ah)
    assert (folder / "events.jsonl").stat().st_size < 1 << 16
    assert [e["event_type"] for e in ah.events(container="web")][-2:] == ["restart", "recovered"]


def test_events_that_the_ring_does_not_hold_any_more_come_from_disk(engine, folder, web, start):
    """The newest `limit` of both, in order, as the query wants them; and never more than AUTOHEAL_EVENTS."""
    ah = start(AUTOHEAL_EVENTS="3000", AUTOHEAL_API_READS="open")
    fence(engine, ah)
    ah.stop()
    base = on_disk(folder)
    one = {**base[-1], "container_name": "old", "stable_id": "old", "message": "x" * 300}
    with open(folder / "events.1.jsonl", "w") as f:
        f.write('{"autoheal":1}\n' + "".join(json.dumps({**one, "seq": n}) + "\n" for n in range(1, 1001)) + '{"torn')
    with open(folder / "events.jsonl", "w") as f:
        f.write('{"autoheal":1}\n' + "".join(json.dumps({**one, "seq": n}) + "\n" for n in range(1001, 2001)))
    begins(ah)
    ah.wait_ready()
    fence(engine, ah)
    harness.wait(lambda: len(on_disk(folder)) > 1000)

    def seqs(query):
        return [e["seq"] for e in ah.get("/api/events?" + query).json()]

    newest = seqs("limit=1")[0]
    assert newest > 2000
    assert seqs("limit=100000") == list(range(1, newest + 1))
    assert seqs("limit=1500") == list(range(newest - 1499, newest + 1))
    assert seqs("limit=100000&container=old") == list(range(1, 2001))
    assert seqs("limit=7&container=old&since=100") == list(range(1994, 2001))
    assert seqs("limit=3000&since=40") == list(range(41, newest + 1))
    assert seqs("limit=3000&type=storm") == []
    begun = time.monotonic()
    assert seqs(f"limit=3000&since={newest}") == [] and time.monotonic() - begun < 2
    for _ in range(20):                                           # clients that leave amid it
        harness.request(("127.0.0.1", ah.port), "HEAD", "/api/events?limit=3000")
    assert seqs("limit=3000")[-1] == newest
    ah.delete("/api/events")
    assert len(seqs("limit=3000")) == 1


@pytest.mark.parametrize("reads,shown", [("safe", "***"), ("open", "password=hunter2")])
def test_what_a_probe_said_is_masked_in_events_from_disk_too(engine, folder, web, start, reads, shown):
    ah = start(AUTOHEAL_EVENTS="1", AUTOHEAL_API_READS=reads)
    fence(engine, ah)
    ah.stop()
    one = {**on_disk(folder)[-1], "seq": 1, "container_name": "old", "health_output": "password=hunter2"}
    with open(folder / "events.jsonl", "w") as f:
        f.write('{"autoheal":1}\n' + json.dumps(one) + "\n" + "".join(
            json.dumps({**one, "seq": n, "container_name": "new"}) + "\n" for n in range(2, 400)))
    ah = start(AUTOHEAL_EVENTS="400", AUTOHEAL_API_READS=reads)
    ah.wait_ready()
    old, = ah.get("/api/events?container=old&limit=400").json()
    assert old["health_output"] == shown


def test_its_files_are_for_its_owner_alone(engine, folder, web, start):
    ah = start()
    ah.post("/api/containers/select", {"container_ids": ["web"], "enabled": True})
    ah.stop()
    assert {p.name for p in folder.iterdir()} == {"state.json", "config.json", "events.jsonl"}
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}


# ---- a restart that autoheal's end cut off

def cut_off(engine, ah, web, folder, sig=signal.SIGKILL, completes=False):
    """autoheal ends while the engine stops the container; the engine then starts it, or drops that with its client."""
    restart, dead = engine._restart, threading.Event()

    def held(container, seconds=None):
        dead.wait(20)
        if completes:
            return restart(container, seconds)
        with container.lock:
            engine._stop(container, seconds)
        raise HTTPError(500, "the request was cancelled")

    engine._restart = held
    engine.sicken(web)
    engine.wait_restart(web)
    harness.wait(lambda: record(folder, "web").get("phase") == 2)
    ah.stop(sig)
    dead.set()
    engine._restart = restart
    harness.wait(lambda: web.state == "running" and web.health == "healthy" if completes else web.state == "exited")


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart_that_was_cut_off_is_completed(engine, folder, web, start, sig):
    ah = start(AUTOHEAL_DRAIN="0")
    cut_off(engine, ah, web, folder, sig)
    begins(ah)
    engine.wait_post(web, "start", timeout=10)
    ah.wait_event("recovered", "web")
    told = restarts_told(ah, web)
    assert [(e["status"], e["action"], e["restart_count"]) for e in told] == [("success", "start", 1)]
    assert len(engine.restarts(web)) == 1 and len(engine.posts()) == 2


def test_one_that_the_engine_completed_is_told_once_and_not_asked_for_again(engine, folder, web, start):
    ah = start()
    cut_off(engine, ah, web, folder, completes=True)
    begins(ah)
    ah.wait_event("recovered", "web")
    assert [(e["status"], e["restart_count"]) for e in restarts_told(ah, web)] == [("success", 1)]
    left_alone_but(engine, ah, web, 1)


def edit(folder, **members):
    """Changes web's record."""
    path = folder / "state.json"
    lines = path.read_text().splitlines(keepends=True)
    for i, line in enumerate(lines):
        if line.startswith('{"id":"web"'):
            entry, end = json.JSONDecoder().raw_decode(line)
            lines[i] = json.dumps({**entry, **members}, separators=(",", ":")) + line[end:]
    path.write_text("".join(lines))


def test_one_that_was_cut_off_long_ago_is_not(engine, folder, web, start):
    ah = start()
    cut_off(engine, ah, web, folder)
    edit(folder, requested=int(time.time() * 1000) - 11 * 60 * 1000)
    begins(ah)
    assert "10 min ago" in ah.wait_event("skipped", "web", status="stale")["message"]
    left_alone_but(engine, ah, web, 1)
    assert not restarts_told(ah, web)


def test_one_that_was_started_since_and_stopped_is_left_alone(engine, folder, web, start):
    ah = start()
    cut_off(engine, ah, web, folder, completes=True)
    engine.stop_by_person(web)
    begins(ah)
    ah.wait_event("skipped", "web", status="stopped")
    assert [(e["status"], e["restart_count"]) for e in restarts_told(ah, web)] == [("success", 1)]
    left_alone_but(engine, ah, web, 1)


@pytest.mark.parametrize("how", ["gone", "excluded"])
def test_one_that_is_gone_or_not_to_be_touched_any_more(engine, folder, web, start, how):
    ah = start()
    cut_off(engine, ah, web, folder)
    if how == "gone":
        engine.destroy(web)
    else:
        ah.env["AUTOHEAL_EXCLUDE"] = "web"
    begins(ah)
    assert "is not completed" in ah.wait_event("skipped", "web", status="gone")["message"]
    left_alone_but(engine, ah, web, 1)


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_whose_start_did_not_follow_is_completed(engine, folder, start, sig):
    """The engine answers the kill, and the end of the container comes when autoheal has ended."""
    web = engine.add("web", labels={**LABEL, "autoheal.action": "kill"})
    engine.kill, kill = (lambda container, signal="KILL": None), engine.kill
    ah = start()
    engine.sicken(web)
    engine.wait_post(web, "kill")
    ah.wait_event("restart", "web")
    harness.wait(lambda: record(folder, "web").get("half_done") == 1)
    ah.stop(sig)
    engine.kill = kill
    engine.kill(web, "KILL")
    begins(ah)
    engine.wait_post(web, "start", timeout=10)
    ah.wait_event("recovered", "web")
    assert [(e["action"], e["restart_count"]) for e in restarts_told(ah, web)] == [("kill", 1), ("start", 1)]


def test_a_clock_that_jumped_does_no_harm(engine, folder, web, start):
    """Times a year ahead or long ago: it is healed all the same, and what a person set holds."""
    ah = start(AUTOHEAL_COOLDOWN="1", AUTOHEAL_BACKOFF="true", AUTOHEAL_BACKOFF_INITIAL="1")
    sick_and_healed(engine, ah, web)
    for years in (1, -1):
        then = int(time.time() * 1000) + years * 366 * 24 * 3600 * 1000
        ah.stop()
        edit(folder, **{name: then for name in ("detected", "requested", "answered", "failed", "probation_until",
                                                "given_until", "deadline", "retry_at")}, failures=1, times=[then] * 9)
        begins(ah)
        ah.wait_ready()
        count = len(engine.restarts(web)) + 1
        engine.sicken(web)
        healed(engine, ah, web, count)


def children(ah):
    try:
        with open(f"/proc/{ah.pid}/task/{ah.pid}/children") as f:
            return f.read().split()
    except OSError:
        return []


@pytest.mark.first
@pytest.mark.parametrize("part", range(5))
def test_kill_9_at_random_moments_of_a_restart(engine, folder, start, part):
    """50 times in all; in half of them the engine drops the restart with its client: nothing is lost, nothing is done
    or told twice, no file is torn."""
    seed = part + int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"SEED={seed}")
    dice = random.Random(seed)
    web = engine.add("web", labels=LABEL, heals_after=0.01, stop_seconds=0.03)
    drops = [False]
    restart = engine._restart

    def restart_or_drop(container, seconds=None):
        if not drops[0]:
            return restart(container, seconds)
        with container.lock:
            engine._stop(container, seconds)
        raise HTTPError(500, "the request was cancelled")

    engine._restart = restart_or_drop
    started, starts = engine._started, []
    engine._started = lambda container, **kw: (starts.append(container), started(container, **kw))
    ah = start()

    def at_rest():
        return ah.container("web")["phase"] == "watching" and ah.events() == on_disk(folder) and not children(ah)

    for round in range(10):
        ah.wait_ready()
        harness.wait(at_rest, 15, f"the disk to have it all, seed {seed}, round {round}")
        # an engine's Date has whole seconds: a start less than one before the request would look like one after it
        harness.wait(lambda: time.time_ns() - web.started_at > 1.5e9)
        posts = len(engine.posts())
        drops[0] = dice.random() < 0.5
        engine.sicken(web)
        engine.wait_restart(web, len(engine.restarts(web)) + (len(engine.posts()) == posts))
        harness.wait(lambda: children(ah) or record(folder, "web").get("phase", 0))
        time.sleep(dice.random() * 0.08)
        ah.stop(signal.SIGKILL)
        begins(ah)
        ah.wait_ready(20)
        harness.wait(lambda: web.state == "running" and web.health == "healthy" and at_rest(), 20,
                     f"web to be healed, seed {seed}, round {round}: {record(folder, 'web')}")
        asked = [r.path.rsplit("/", 1)[1] for r in engine.posts()[posts:]]
        assert asked == ["restart", "start"][:1 + drops[0]], (seed, round, asked)
        assert len(starts) == round + 1, (seed, round)
        assert not list(folder.glob("*.damaged")), (seed, round)
        told = restarts_told(ah, web)
        assert len(told) == ah.container("web")["restart_count"] == record(folder, "web")["restarts"], (seed, round, told)
        assert [e["status"] for e in told].count("success") == round + 1, (seed, round, told)
    assert [e["seq"] for e in on_disk(folder)] == sorted({e["seq"] for e in on_disk(folder)})


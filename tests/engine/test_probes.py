"""Probes of our own, by label: a command through the engine's exec, a GET or a connection to the container's address."""
import contextlib
import http.server
import json
import socket
import threading
import time

import pytest

import harness
from steps import LABEL, QUICK

EACH_SECOND = {**LABEL, "autoheal.check.interval": "1", "autoheal.check.retries": "2"}


def probed(engine, name="web", **labels):
    """A container without a HEALTHCHECK that has just been started, with these autoheal.check labels besides."""
    labels = {f"autoheal.check.{key.replace('_', '.')}": value for key, value in labels.items()}
    return engine.start_container(name, healthcheck=False, labels={**EACH_SECOND, **labels})


def commands(engine, container=None):
    """What was executed so far."""
    with engine.lock:
        return [job["words"] for job in engine.execs.values() if container in (None, job["container"])]


def wait_commands(engine, container, count, timeout=10):
    harness.wait(lambda: len(commands(engine, container)) >= count, timeout, f"{count} commands")


def passes(ah, name):
    """Waits until its probe has passed."""
    harness.wait(lambda: (ah.container(name)["health"] or {}).get("status") == "healthy", what="a pass")


def restarts(engine, count):
    """Asserts how many were asked for so far, of any container."""
    assert len([r for r in engine.posts() if r.path.endswith("/restart")]) == count


class Web:
    """An HTTP server on 127.0.0.x, as a container's address."""

    def __init__(self, address="127.0.0.9", port=0):
        outer, self.status, self.asked = self, 200, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.headers["Host"]))
                self.send_response(outer.status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer((address, port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def web_server():
    with contextlib.closing(Web()) as web:
        yield web


# ---- a command

def test_a_command_that_fails_heals_the_container(engine, autoheal):
    ah = autoheal(engine, **QUICK)
    web = probed(engine, exec="check --me")
    ah.wait_event("auto_monitor", "web")
    wait_commands(engine, web, 1)
    passes(ah, "web")
    assert ah.container("web")["health"]["failing_streak"] == 0
    web.command = lambda words: (3, 'no "database"\x1b[31m\n')
    failed = ah.wait_event("health_check_failed", "web", 10, "failure")
    assert failed["health_output"] == 'no "database"\x1b[31m'
    assert failed["message"] == "Its own probe fails: exit code 3"
    masked, = [e for e in ah.events(token=False) if e["event_type"] == "health_check_failed"]
    assert masked == {**failed, "health_output": "***"}
    restart = ah.wait_event("restart", "web")
    assert restart["reason"] == "probe" and restart["status"] == "success"
    assert commands(engine)[0] == ["/bin/sh", "-c", "check --me"]
    assert len(engine.restarts(web)) == 1
    web.command = lambda words: (0, "")
    ah.wait_event("recovered", "web", 10, "healthy")
    assert ah.log_lines(r"health_check_failed \(failure\): Its own probe fails: exit code 3$")
    restarts(engine, 1)


def test_words_need_no_shell(engine, autoheal):
    autoheal(engine)
    web = probed(engine, exec='["/app", "a b"]')
    wait_commands(engine, web, 1)
    assert commands(engine) == [["/app", "a b"]]


def test_one_that_never_passed_is_left_alone(engine, autoheal):
    ah = autoheal(engine, **QUICK)
    web = engine.start_container("web", healthcheck=False, labels={**EACH_SECOND, "autoheal.check.exec": "x"})
    web.command = lambda words: (1, "no")
    wait_commands(engine, web, 4)
    restarts(engine, 0)
    assert not ah.events("health_check_failed")
    assert ah.container("web")["health"] is None


def test_nor_does_running_prove_a_heal(engine, autoheal):
    ah = autoheal(engine, AUTOHEAL_RECOVERY_TIMEOUT="1", **QUICK)
    web = probed(engine, exec="x", retries="1")
    passes(ah, "web")
    web.command = lambda words: (1, "")
    ah.wait_event("not_recovered", "web", 15, "timeout")
    engine.wait_restart(web, 2, 15)
    assert not ah.events("recovered")


def test_a_command_that_hangs_is_not_begun_twice(engine, autoheal):
    hangs, over = threading.Event(), threading.Event()

    def command(words):
        if hangs.is_set():
            over.wait(30)
        return 0, ""
    ah = autoheal(engine, AUTOHEAL_DRY_RUN="true", **QUICK)
    web = probed(engine, exec="x", timeout="300ms")
    web.command = command
    passes(ah, "web")
    hangs.set()
    before = len(commands(engine, web))
    failed = ah.wait_event("health_check_failed", "web", 15)
    assert "has not ended since" in failed["health_output"]
    assert len(commands(engine, web)) - before <= 2
    count = len(commands(engine, web))
    engine.forget_requests()
    engine.wait_request("GET", "^/exec/", 2)
    assert len(commands(engine, web)) == count
    hangs.clear()
    over.set()
    passes(ah, "web")


def test_no_probe_while_it_is_paused_or_down(engine, autoheal):
    ah = autoheal(engine, **QUICK)
    web = probed(engine, exec="x")
    other = probed(engine, "other", exec="x")
    wait_commands(engine, web, 1)
    engine.pause(web)
    harness.wait(lambda: ah.container("web")["phase"] == "hands_off", what="the pause")
    count = len(commands(engine, web))
    wait_commands(engine, other, len(commands(engine, other)) + 3)
    assert len(commands(engine, web)) == count
    engine.unpause(web)
    wait_commands(engine, web, count + 1)
    engine.stop_by_person(web)
    harness.wait(lambda: ah.container("web")["phase"] == "hands_off", what="the stop")
    count = len(commands(engine, web))
    wait_commands(engine, other, len(commands(engine, other)) + 3)
    assert len(commands(engine, web)) == count
    engine.start_by_person(web)
    wait_commands(engine, web, count + 1)
    restarts(engine, 0)


def test_one_that_was_there_before_is_probed_too(engine, autoheal):
    """Its turn comes by its start: no more than an interval away."""
    web = engine.add("web", healthcheck=False, labels={**EACH_SECOND, "autoheal.check.exec": "x"})
    autoheal(engine)
    wait_commands(engine, web, 2)


def test_a_dry_run_probes_and_tells(engine, autoheal):
    ah = autoheal(engine, AUTOHEAL_DRY_RUN="true", **QUICK)
    web = probed(engine, exec="x")
    passes(ah, "web")
    web.command = lambda words: (1, "")
    ah.wait_event("health_check_failed", "web", 10)
    ah.wait_event("skipped", "web", 10, "dry_run")
    restarts(engine, 0)


# ---- the container's address

def test_another_status_heals_it(engine, autoheal, web_server):
    ah = autoheal(engine, **QUICK)
    web = engine.start_container("web", healthcheck=False,
                                 labels={**EACH_SECOND, "autoheal.check.http": f":{web_server.port}/health?deep=1"})
    web.addresses = ["127.0.0.9"]
    passes(ah, "web")
    assert set(web_server.asked) == {("/health?deep=1", f"127.0.0.9:{web_server.port}")}
    web_server.status = 302                     # not followed: it is not 200
    failed = ah.wait_event("health_check_failed", "web", 10)
    assert failed["health_output"] == f"GET :{web_server.port}/health?deep=1 answered 302"
    engine.wait_restart(web)
    web_server.status = 200
    ah.wait_event("recovered", "web", 10, "healthy")


def test_a_port_that_closes_heals_it(engine, autoheal):
    """Refused by its own address: the process does not listen any more."""
    ah = autoheal(engine, **QUICK)
    with socket.create_server(("127.0.0.8", 0)) as listener:
        port = listener.getsockname()[1]
        db = probed(engine, "db", tcp=str(port))
        db.addresses = ["127.0.0.8"]
        passes(ah, "db")
    failed = ah.wait_event("health_check_failed", "db", 10)
    assert failed["health_output"] == f"port {port}: Connection refused"
    engine.wait_restart(db)
    assert ah.wait_event("restart", "db")["reason"] == "probe"


def test_of_several_addresses_the_one_that_answers_is_found(engine, autoheal, web_server):
    ah = autoheal(engine, **QUICK)
    web = probed(engine, http=f":{web_server.port}")
    web.addresses = ["127.0.0.7", "127.0.0.9"]
    passes(ah, "web")
    restarts(engine, 0)


def test_its_address_is_asked_anew_at_each_start(engine, autoheal, web_server):
    ah = autoheal(engine, **QUICK)
    web = probed(engine, http=f":{web_server.port}")
    web.addresses = ["127.0.0.9"]
    harness.wait(lambda: web_server.asked, what="a probe")
    with contextlib.closing(Web("127.0.0.10", web_server.port)) as moved:
        web.addresses = ["127.0.0.10"]
        engine.restart_by_person(web)
        harness.wait(lambda: moved.asked, what="a probe there")
        passes(ah, "web")
    restarts(engine, 0)


# ---- what is no probe

@pytest.mark.parametrize("addresses, words", [([], "no address of its own"), (["255.255.255.255"], "port 80: ")])
def test_without_a_way_there_it_is_told_once_and_never_sick(engine, autoheal, addresses, words):
    ah = autoheal(engine, **QUICK)
    web = probed(engine, tcp="80", retries="1")
    web.addresses = addresses
    inspects = f"^/containers/{web.id}/json"
    harness.wait(lambda: ah.log_lines("cannot be probed"), what="the warning")
    engine.wait_request("GET", inspects, len(engine.requests("GET", inspects)) + 2)
    lines = ah.log_lines("cannot be probed")
    assert len(lines) == 1 and words in lines[0] and "WARNING" in lines[0]
    restarts(engine, 0)
    assert ah.container("web")["health"] is None


def test_a_right_that_is_missing_is_named_once(engine, autoheal):
    """It has passed before: what cannot be asked for any more is no failure."""
    ah = autoheal(engine, **QUICK)
    web = probed(engine, exec="x", retries="1")
    passes(ah, "web")
    refused = engine.fault("POST", "/exec$", status=403, body=b"Forbidden by policy")
    harness.wait(lambda: refused.hits >= 3, 10, "three refusals")
    lines = ah.log_lines("cannot be probed")
    assert len(lines) == 1 and "EXEC=1" in lines[0]
    restarts(engine, 0)
    refused.remove()
    passes(ah, "web")
    web.command = lambda words: (1, "")
    engine.wait_restart(web, timeout=10)


@pytest.mark.parametrize("answer", [b'{"Id":"../../info"}', b'{"Id":7}', b"[]", b"{}"])
def test_an_id_that_is_none_is_not_asked_for(engine, autoheal, answer):
    ah = autoheal(engine, **QUICK)
    web = probed(engine, exec="x")
    engine.fault("POST", "/exec$", status=201, body=answer)
    engine.wait_request("POST", f"^/containers/{web.id}/exec", 2)
    assert not engine.requests("POST", "^/exec/")
    assert len(ah.log_lines("cannot be probed")) == 1


def test_beside_a_healthcheck_it_is_ignored(engine, autoheal):
    ah = autoheal(engine, **QUICK)
    web = engine.start_container("web", labels={**EACH_SECOND, "autoheal.check.exec": "x"})
    other = probed(engine, "other", exec="x")
    wait_commands(engine, other, 3)
    assert not commands(engine, web)
    assert len(ah.log_lines("has a HEALTHCHECK, so its autoheal.check label is ignored")) == 1
    engine.sicken(web)
    assert ah.wait_event("restart", "web")["reason"] == "unhealthy"


@pytest.mark.parametrize("value", ["http://example.com:80/", "//example.com/", "8080/health", ":0/", ":80/a b", ":80\r\nX: y"])
def test_another_host_is_a_warning(engine, autoheal, value):
    ah = autoheal(engine)
    web = probed(engine, http=value)
    ah.wait_event("auto_monitor", "web")
    assert len(ah.log_lines("has the label autoheal.check.http=")) == 1
    assert not commands(engine, web)


def test_of_several_labels_the_first_counts(engine, autoheal):
    ah = autoheal(engine)
    web = probed(engine, exec="x", tcp="80")
    wait_commands(engine, web, 1)
    assert len(ah.log_lines("more than one autoheal.check label")) == 1


def test_what_waits_for_its_turn_is_probed_too(engine, autoheal):
    """More at once than may be under way, each of which takes its time."""
    ah = autoheal(engine)
    all = [probed(engine, f"web{i}", exec="x") for i in range(50)]
    for web in all:
        web.command = lambda words: time.sleep(0.2) or (0, "")
    for web in all:
        wait_commands(engine, web, 2, 20)
    restarts(engine, 0)


def test_it_is_explained(engine, autoheal):
    ah = autoheal(engine)
    probed(engine, exec="x")
    passes(ah, "web")
    steps = ah.get("/api/containers/web/explain").json()["steps"]
    assert any("own probe" in json.dumps(step) for step in steps)


def test_what_is_read_from_disk_is_masked_too(engine, autoheal, tmp_path):
    """The ring holds two events; older ones come out of events.jsonl."""
    (tmp_path / "data").mkdir()
    ah = autoheal(engine, AUTOHEAL_DATA_DIR=tmp_path / "data", AUTOHEAL_EVENTS="2", **QUICK)
    web = probed(engine, exec="x", retries="1")
    passes(ah, "web")
    web.command = lambda words: (1, 'a "secret" \\')
    ah.wait_event("restart", "web", 10)
    web.command = lambda words: (0, "")
    ah.wait_event("recovered", "web", 10)
    failed = ah.wait_event("health_check_failed", "web", 10)
    assert failed["health_output"] == 'a "secret" \\'
    shown, = ah.events("health_check_failed", token=False)
    assert shown == {**failed, "health_output": "***"}

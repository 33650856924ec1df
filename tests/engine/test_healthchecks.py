"""Probes of our own that people give through the API."""
import contextlib
import json
import socket

import pytest

import harness
from steps import LABEL, QUICK, fence, left_alone
from test_incidents import closed
from test_probes import Web, commands, passes, wait_commands, web_server  # noqa: F401

CHECKS = "/api/healthchecks"
TYPE = {"Content-Type": "application/json"}


def exec_check(name="web", **more):
    return {"container_id": name, "check_type": "exec", "exec_command": ["/app", "check"], "interval_seconds": 1,
            "retries": 1, **more}


def given(ah, body):
    answer = ah.post(CHECKS, body)
    assert answer.status == 200, answer
    return answer.json()


@pytest.fixture
def web(engine):
    return engine.add("web", labels=LABEL, healthcheck=False)


@pytest.fixture
def ah(engine, web, autoheal):
    return autoheal(engine, **QUICK)


# ---- what it does

def test_it_begins_at_once_heals_and_ends(engine, ah, web):
    assert ah.get(CHECKS).json() == []
    stored = given(ah, exec_check())
    assert stored == {"container_id": "web", "check_type": "exec", "interval_seconds": 1, "timeout_seconds": 10,
                      "retries": 1, "start_period_seconds": 0, "http_endpoint": None, "http_expected_status": None,
                      "tcp_port": None, "exec_command": ["/app", "check"], "warning": None}
    assert ah.get(CHECKS, token=True).json() == [stored] and ah.get(CHECKS + "/web", token=True).json() == stored
    passes(ah, "web")
    assert commands(engine)[0] == ["/app", "check"]
    web.command = lambda words: (1, "no database")
    failed = ah.wait_event("health_check_failed", "web", 10)
    assert failed["health_output"] == "no database"
    assert ah.wait_event("restart", "web")["message"] == "Restarted because its own probe failed"
    web.command = lambda words: (0, "")
    ah.wait_event("recovered", "web", 10, "healthy")
    one = closed(ah)
    assert (one["cause"], one["detected_by"]) == ("probe", "probe")
    answer = ah.delete(CHECKS + "/web")
    assert (answer.status, answer.json()) == (200, {"deleted": 1})
    count = len(commands(engine))
    engine.forget_requests()
    given(ah, exec_check())                     # the same again begins anew
    wait_commands(engine, web, count + 1)
    ah.delete(CHECKS + "/web")
    assert ah.get(CHECKS).json() == [] and ah.get(CHECKS + "/web").status == 404
    assert ah.container("web")["health"] is None
    count = len(commands(engine))
    fence(engine, ah)
    assert len(commands(engine)) == count
    assert [e["message"] for e in ah.events("config")] == [
        "The healthcheck of 'web' was set by a person", "The healthcheck of 'web' was taken away by a person"] * 2


def test_another_one_takes_its_place(engine, ah, web):
    given(ah, exec_check())
    wait_commands(engine, web, 1)
    given(ah, exec_check(exec_command=["/other"]))
    harness.wait(lambda: ["/other"] in commands(engine), what="the other command")
    assert len(ah.get(CHECKS).json()) == 1


def test_http_and_tcp_of_the_container(engine, ah, web, web_server):  # noqa: F811
    web.addresses = ["127.0.0.9"]
    given(ah, {"container_id": "web", "check_type": "http", "http_endpoint": f":{web_server.port}/health",
               "http_expected_status": 204, "interval_seconds": 1, "retries": 1})
    web_server.status = 204
    passes(ah, "web")
    web_server.status = 200
    assert "answered 200" in ah.wait_event("health_check_failed", "web", 10)["health_output"]
    engine.wait_restart(web)
    with socket.create_server(("127.0.0.9", 0)) as listener:
        given(ah, {"container_id": "web", "check_type": "tcp", "tcp_port": listener.getsockname()[1],
                   "interval_seconds": 1, "retries": 1})
        passes(ah, "web")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_host(engine, ah, web, host):
    """A name too, which is looked up; the container's own address plays no part."""
    web.addresses = []
    with contextlib.closing(Web("127.0.0.1")) as there:
        given(ah, {"container_id": "web", "check_type": "http", "http_endpoint": f"http://{host}:{there.port}/through",
                   "interval_seconds": 1, "retries": 1})
        passes(ah, "web")
        assert set(there.asked) == {("/through", f"{host}:{there.port}")}
        there.status = 502
        failed = ah.wait_event("health_check_failed", "web", 10)
        assert failed["health_output"] == f"GET {host}:{there.port}/through answered 502"
        engine.wait_restart(web)


def test_a_host_that_nobody_knows_is_no_failure(engine, ah, web):
    given(ah, {"container_id": "web", "check_type": "http", "http_endpoint": "http://nowhere.invalid/",
               "interval_seconds": 1, "timeout_seconds": 1, "retries": 1})
    line, = harness.wait(lambda: ah.log_lines("cannot be probed"), 10, "the warning")
    assert "name" in line
    left_alone(engine, ah, web)


# ---- whom it is for

def test_it_is_kept_by_the_stable_id(engine, autoheal):
    web = engine.add("shop-web-1", labels={**LABEL, "monitoring.id": "front"}, healthcheck=False)
    ah = autoheal(engine, **QUICK)
    assert given(ah, exec_check("shop-web-1"))["container_id"] == "front"
    assert given(ah, exec_check(web.id[:8]))["container_id"] == "front"
    assert given(ah, exec_check("front"))["container_id"] == "front"
    assert given(ah, exec_check("local/shop-web-1"))["container_id"] == "front"
    wait_commands(engine, web, 1)
    engine.destroy(web)
    harness.wait(lambda: ah.get(CHECKS + "/front").json()["warning"], what="that it is gone")
    again = engine.start_container("shop-web-2", labels={**LABEL, "monitoring.id": "front"}, healthcheck=False)
    wait_commands(engine, again, 1)
    assert ah.get(CHECKS + "/shop-web-2").json()["warning"] is None


def test_who_is_not_known_gets_none(engine, ah):
    engine.start_container("unlabelled", healthcheck=False)
    fence(engine, ah)
    for name in ("nobody", "unlabelled", "x" * 300):
        answer = ah.post(CHECKS, exec_check(name))
        assert answer.status == 404 and "select" in answer.json()["error"]
        assert ah.get(f"{CHECKS}/{name}").status == ah.delete(f"{CHECKS}/{name}").status == 404
    assert ah.delete(CHECKS + "/web").status == 404
    assert ah.get(CHECKS).json() == []


def test_a_prefix_of_two_ids_is_ambiguous(engine, autoheal):
    for i in range(2):
        engine.add(f"c{i}", labels=LABEL, healthcheck=False, id="abcd" + str(i) * 60)
    ah = autoheal(engine)
    answer = ah.post(CHECKS, exec_check("abcd"))
    assert answer.status == 409 and "ambiguous" in answer.json()["error"]
    assert given(ah, exec_check("abcd0"))["container_id"] == "c0"


def test_beside_a_healthcheck_it_is_kept_but_not_made(engine, autoheal):
    shop = engine.add("shop", labels=LABEL)
    ah = autoheal(engine, **QUICK)
    assert "HEALTHCHECK" in given(ah, exec_check("shop"))["warning"]
    fence(engine, ah)
    assert not commands(engine)
    engine.destroy(shop)
    shop = engine.start_container("shop", labels=LABEL, healthcheck=False)     # made anew, without one
    wait_commands(engine, shop, 1)
    assert ah.get(CHECKS + "/shop").json()["warning"] is None


def test_its_own_label_comes_first(engine, autoheal):
    web = engine.add("web", healthcheck=False, labels={**LABEL, "autoheal.check.exec": "label",
                                                       "autoheal.check.interval": "1"})
    ah = autoheal(engine, **QUICK)
    assert "label" in given(ah, exec_check())["warning"]
    wait_commands(engine, web, 2)
    assert {words[-1] for words in commands(engine)} == {"label"}
    ah.delete(CHECKS + "/web")
    wait_commands(engine, web, len(commands(engine)) + 1)


# ---- who may, and what

def test_a_command_needs_the_token_even_where_writes_are_open(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_API_WRITES="open")
    tcp = {"container_id": "web", "check_type": "tcp", "tcp_port": 1}
    assert ah.post(CHECKS, exec_check(), token=False).status == 401
    assert ah.post(CHECKS, tcp, token=False).status == 200
    assert ah.get(CHECKS).json()[0]["check_type"] == "tcp"
    assert ah.post(CHECKS, exec_check()).status == 200
    assert ah.delete(CHECKS + "/web", token=False).status == 200


def test_what_may_hold_a_password_is_shown_with_the_token_alone(engine, web, autoheal):
    """A command, and the query of an address; what is sent back masked stays, and goes to no other place."""
    engine.add("other", labels=LABEL, healthcheck=False)
    ah = autoheal(engine, AUTOHEAL_API_WRITES="open")
    given(ah, exec_check(exec_command=["/app", "--password=s3cret"]))
    given(ah, {"container_id": "other", "check_type": "http", "http_endpoint": ":8080/health?key=s3cret"})
    paths = (CHECKS, CHECKS + "/web", CHECKS + "/other", "/api/config", "/api/config/export")
    for path in paths:
        masked, plain = "s3cret" not in ah.get(path).text, "s3cret" in ah.get(path, token=True).text
        assert masked and plain, path
    command, address = ah.get(CHECKS).json()
    assert command["exec_command"] == ["***"] and address["http_endpoint"] == ":8080/health?***"
    changed = ah.post(CHECKS, {**address, "interval_seconds": 7}, token=False)
    assert changed.status == 200 and changed.json()["http_endpoint"] == ":8080/health?***"
    given(ah, {**command, "retries": 2})
    assert ah.put("/api/config", ah.get("/api/config").json()).status == 200
    assert ah.post("/api/config/import", ah.get("/api/config/export").json()).status == 200
    command, address = ah.get(CHECKS, token=True).json()
    assert command["exec_command"] == ["/app", "--password=s3cret"] and command["retries"] == 2
    assert address["http_endpoint"] == ":8080/health?key=s3cret" and address["interval_seconds"] == 7
    for endpoint in (":8081/health?***", "http://attacker.test:8080/health?***"):
        answer = ah.post(CHECKS, {**address, "http_endpoint": endpoint}, token=False)
        assert answer.status == 422 and answer.json()["member"] == "http_endpoint"
    assert ah.post(CHECKS, {**command, "container_id": "other", "exec_command": ["***"]}).status == 422


def test_without_a_token_configured_no_command(engine, web, autoheal):
    ah = autoheal(engine, AUTOHEAL_API_WRITES="open", AUTOHEAL_API_TOKEN=None)
    answer = ah.post(CHECKS, exec_check(), token=False)
    assert answer.status == 403 and "AUTOHEAL_API_TOKEN" in answer.json()["error"]


def test_it_needs_the_token(engine, ah, web):
    tcp = {"container_id": "web", "check_type": "tcp", "tcp_port": 1}
    assert ah.post(CHECKS, tcp, token=False).status == 401
    assert ah.delete(CHECKS + "/web", token=False).status == 401
    assert ah.get(CHECKS, token=False).status == 200
    assert ah.put(CHECKS, tcp).status == 405


@pytest.mark.parametrize("body, status, member", [
    ("", 400, None), ("{", 400, None), ("[" * 5000, 400, None), ("[]", 422, "container_id"), ("x" * 70000, 413, None),
    (exec_check(None), 422, "container_id"), (exec_check(check_type="docker"), 422, "check_type"),
    (exec_check(interval_seconds=0), 422, "interval_seconds"), (exec_check(timeout_seconds="1"), 422, "timeout_seconds"),
    (exec_check(retries=-1), 422, "retries"), (exec_check(exec_command="x"), 422, "exec_command"),
    (exec_check(exec_command=["x" * 600]), 422, "exec_command"), (exec_check(check_type="tcp"), 422, "tcp_port"),
    (exec_check(check_type="http", http_endpoint="https://example.com/"), 422, "http_endpoint"),
    (exec_check(check_type="http", http_endpoint=":80", http_expected_status=1000), 422, "http_expected_status"),
])
def test_bodies_that_are_refused(engine, ah, web, body, status, member):
    answer = ah.post(CHECKS, body, headers=TYPE)
    assert answer.status == status and answer.json()["error"], answer
    assert member is None or answer.json()["member"] == member
    assert ah.get(CHECKS).json() == []


def test_so_many_and_no_more(engine, autoheal):
    for i in range(129):
        engine.add(f"c{i}", labels=LABEL, healthcheck=False)
    ah = autoheal(engine)
    for i in range(128):
        given(ah, {"container_id": f"c{i}", "check_type": "tcp", "tcp_port": 1, "interval_seconds": 3600})
    answer = ah.post(CHECKS, {"container_id": "c128", "check_type": "tcp", "tcp_port": 1})
    assert answer.status == 409 and "128" in answer.json()["error"]
    given(ah, {"container_id": "c0", "check_type": "tcp", "tcp_port": 2, "interval_seconds": 3600})
    ah.delete(CHECKS + "/c1")
    given(ah, {"container_id": "c128", "check_type": "tcp", "tcp_port": 1, "interval_seconds": 3600})


# ---- over an end of autoheal

def test_it_is_kept_in_config_json(engine, web, autoheal, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    ah = autoheal(engine, AUTOHEAL_DATA_DIR=data, **QUICK)
    stored = given(ah, exec_check(exec_command=["/app", 'a "b"', "ü"]))
    del stored["warning"]
    assert json.loads((data / "config.json").read_text())["custom_health_checks"] == [stored]
    ah.close()
    before = len(commands(engine))
    ah = autoheal(engine, AUTOHEAL_DATA_DIR=data, **QUICK)
    assert ah.get(CHECKS, token=True).json() == [{**stored, "warning": None}]
    wait_commands(engine, web, before + 1)
    assert commands(engine)[-1] == ["/app", 'a "b"', "ü"]
    ah.delete(CHECKS + "/web")
    assert "custom_health_checks" not in json.loads((data / "config.json").read_text())

"""What the process gives up after its start, seen from outside. That all parts go on inside is what every other test of the
shipped binary shows."""

import pathlib

import pytest

from harness import binary


@pytest.fixture
def sealed():
    """The sanitizers make system calls of their own: their binary has no filter."""
    if b"__asan_init" in binary().read_bytes():
        pytest.skip("the test binary has no filter of system calls")


def state_of(service):
    lines = pathlib.Path(f"/proc/{service.pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_the_door_is_closed_and_said_to_be(engine, autoheal, sealed):
    service = autoheal(engine)
    assert state_of(service)["NoNewPrivs"] == "1"
    assert state_of(service)["Seccomp"] == "2"  # a filter
    box = service.get("/api/status").json()["sandbox"]
    assert box["seccomp"] and box["no_new_privileges"]
    (line,) = service.log_lines("Sandbox: ")
    assert "Sandbox: no new privileges, seccomp, " in line
    assert ("without Landlock" in line) != box["landlock"]


def test_no_secret_stands_in_the_environment_that_others_see(engine, autoheal):
    service = autoheal(engine, AUTOHEAL_API_TOKEN="tell-nobody", AUTOHEAL_NOTIFY="http://user:tell-nobody@127.0.0.1:1/hook",
                       AUTOHEAL_HEARTBEAT_URL="http://127.0.0.1:1/tell-nobody", AUTOHEAL_COOLDOWN="7")
    seen = pathlib.Path(f"/proc/{service.pid}/environ").read_bytes().split(b"\0")
    assert b"AUTOHEAL_API_TOKEN=***********" in seen
    assert b"AUTOHEAL_COOLDOWN=7" in seen
    assert not any(b"tell-nobody" in entry for entry in seen)
    token = {"Authorization": "Bearer tell-nobody"}
    assert service.request("POST", "/api/maintenance/enable", headers=token).status == 200  # and it is known all the same


def test_it_can_be_left_open(engine, autoheal):
    service = autoheal(engine, AUTOHEAL_SANDBOX="false")
    assert state_of(service)["Seccomp"] == "0"
    assert state_of(service)["NoNewPrivs"] == "0"
    assert service.get("/api/status").json()["sandbox"] == {
        "seccomp": False, "landlock": False, "no_new_privileges": False}
    assert service.log_lines("Sandbox: off, as AUTOHEAL_SANDBOX says")

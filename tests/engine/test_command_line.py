"""What a person sees who types a command or gives a wrong setting."""
import calendar
import os
import re
import signal
import socket
import time

import pytest

import harness
from steps import LABEL, QUICK, healed, sick_and_healed


def test_version():
    done = harness.run("--version")
    assert done.returncode == 0 and re.search(r"\d+\.\d+", done.stdout) and len(done.stdout.splitlines()) <= 3
    assert not done.stderr


def test_help_fits_one_screen_and_names_the_variables():
    done = harness.run("--help")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) <= 50 and max(map(len, lines)) <= 100
    for word in ("DOCKER_HOST", "AUTOHEAL_CONTAINER_LABEL", "AUTOHEAL_INTERVAL", "AUTOHEAL_COOLDOWN", "AUTOHEAL_LISTEN",
                 "AUTOHEAL_API_TOKEN", "AUTOHEAL_LOG_LEVEL", "health"):
        assert word in done.stdout, word


@pytest.mark.parametrize("args", [["--verbose"], ["heal"], ["autoheal", "now"], ["--help", "me"], [""], ["health", "x"]])
def test_an_unknown_argument_is_named_and_ends_it_with_64(args):
    done = harness.run(*args, DOCKER_HOST="unix:///nonexistent")
    assert done.returncode == 64 and len(done.stderr.splitlines()) == 1 and not done.stdout
    assert args[-1] in done.stderr


BAD = [
    ("AUTOHEAL_INTERVAL", "soon"), ("AUTOHEAL_INTERVAL", "0"), ("AUTOHEAL_INTERVAL", "-1"), ("AUTOHEAL_INTERVAL", "5x"),
    ("AUTOHEAL_INTERVAL", "99999999999999999999"), ("AUTOHEAL_COOLDOWN", "-5"), ("AUTOHEAL_COOLDOWN", "1 minute"),
    ("AUTOHEAL_RESTART_WINDOW", "0"), ("AUTOHEAL_RECOVERY_TIMEOUT", "0"), ("AUTOHEAL_MAX_PARALLEL", "0"),
    ("AUTOHEAL_MAX_PARALLEL", "many"), ("AUTOHEAL_MAX_RESTARTS", "x"), ("AUTOHEAL_BACKOFF", "maybe"),
    ("AUTOHEAL_BACKOFF_MULTIPLIER", "x"), ("AUTOHEAL_BACKOFF_MULTIPLIER", "nan"), ("AUTOHEAL_DRY_RUN", "2"),
    ("AUTOHEAL_LOG_LEVEL", "LOUD"), ("AUTOHEAL_LOG_FORMAT", "xml"), ("AUTOHEAL_RESTART_MODE", "never"),
    ("AUTOHEAL_API_WRITES", "closed"), ("AUTOHEAL_API_READS", "all"), ("AUTOHEAL_LISTEN", "nonsense"),
    ("AUTOHEAL_LISTEN", "127.0.0.1:99999"), ("AUTOHEAL_LISTEN", "[::1:80"), ("DOCKER_API_VERSION", "abc"),
    ("DOCKER_API_VERSION", "1"), ("DOCKER_HOST", "ssh://me@nas"), ("DOCKER_HOST", "npipe:////./pipe/docker_engine"),
    ("DOCKER_HOST", "gopher://x"), ("DOCKER_HOST", "tcp://"), ("DOCKER_HOST", "tcp://host:port"),
    ("AUTOHEAL_SWARM_TASKS", "sometimes"), ("AUTOHEAL_EVENTS", "-3"), ("AUTOHEAL_STORM", "150%"),
    ("AUTOHEAL_DRAIN", "long"), ("AUTOHEAL_DEFAULT_STOP_TIMEOUT", "x"),
]


@pytest.mark.parametrize("name,value", BAD)
def test_a_bad_setting_is_named_with_what_is_accepted(name, value):
    """One line: the variable, its value, what is accepted; exit 64; nothing starts half-configured."""
    done = harness.run(timeout=5, **{"DOCKER_HOST": "unix:///nonexistent", "AUTOHEAL_LISTEN": "off", name: value})
    lines = done.stderr.splitlines()
    assert done.returncode == 64 and len(lines) == 1
    assert name in lines[0] and value in lines[0]
    assert len(lines[0]) > len(name) + len(value) + 10, "what is accepted?"


def test_a_token_file_that_is_not_there():
    done = harness.run(timeout=5, DOCKER_HOST="unix:///nonexistent", AUTOHEAL_LISTEN="off", AUTOHEAL_API_TOKEN_FILE="/no/file")
    assert done.returncode == 64 and "AUTOHEAL_API_TOKEN_FILE" in done.stderr and "/no/file" in done.stderr


def test_a_bad_setting_is_never_a_secret():
    done = harness.run(timeout=5, DOCKER_HOST="unix:///nonexistent", AUTOHEAL_LISTEN="off", AUTOHEAL_INTERVAL="x\x1b[31m\ny")
    assert done.returncode == 64 and len(done.stderr.splitlines()) == 1 and "\x1b" not in done.stderr


def test_empty_settings_count_as_unset(engine, autoheal):
    empty = {name: "" for name in ("AUTOHEAL_COOLDOWN", "AUTOHEAL_INCLUDE", "AUTOHEAL_LOG_LEVEL", "AUTOHEAL_DRY_RUN",
                                   "DOCKER_API_VERSION", "AUTOHEAL_DEFAULT_STOP_TIMEOUT", "AUTOHEAL_HOSTS")}
    ah = autoheal(engine, **empty)
    config = ah.get("/api/config").json()
    assert config["restart"]["cooldown_seconds"] == 60 and config["locked"] == ["monitor.interval_seconds"]


def test_the_command_of_another_image_is_accepted(engine, autoheal):
    """willfarrell's image is called `autoheal autoheal`, with DOCKER_SOCK and CURL_TIMEOUT."""
    web = engine.add("web", labels=LABEL)
    autoheal(None, args=["autoheal"], DOCKER_SOCK=engine.socket_path, CURL_TIMEOUT="30", AUTOHEAL_INTERVAL="5",
                  AUTOHEAL_START_PERIOD="0", AUTOHEAL_DEFAULT_STOP_TIMEOUT="10", AUTOHEAL_CONTAINER_LABEL="all",
                  AUTOHEAL_ONLY_MONITOR_RUNNING="false")
    engine.sicken(web)
    assert engine.wait_restart(web).query == {"t": "10"}


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(engine, autoheal, sig):
    ah = autoheal(engine)
    begin = time.monotonic()
    assert ah.stop(sig) == 0 and time.monotonic() - begin < 2


def test_a_running_restart_is_drained(engine, autoheal):
    """Some engines cancel the stop-start sequence when the client leaves: wait for the answer, begin nothing new."""
    web, other = engine.add("web", labels=LABEL, stop_seconds=2), engine.add("other", labels=LABEL)
    ah = autoheal(engine)
    engine.sicken(web)
    asked = engine.wait_restart(web)
    ah.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    engine.sicken(other)
    assert ah.wait_exit(8) == 0
    assert asked.answered and web.state == "running"
    assert time.monotonic() - asked.time < 4
    assert not engine.restarts(other)


def test_draining_ends_after_its_time(engine, autoheal):
    """AUTOHEAL_DRAIN: a hung restart does not keep it; exit 0 all the same, and said in the log."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_DRAIN="1")
    engine.fault("POST", "/restart", black_hole=True)
    engine.sicken(web)
    engine.wait_restart(web)
    begin = time.monotonic()
    assert ah.stop() == 0
    assert 0.8 < time.monotonic() - begin < 3
    assert ah.log_lines("web")


def test_a_second_signal_while_draining(engine, autoheal):
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_DRAIN="3")
    engine.fault("POST", "/restart", black_hole=True)
    engine.sicken(web)
    engine.wait_restart(web)
    ah.process.send_signal(signal.SIGTERM)
    assert ah.stop(timeout=5) in (0, -signal.SIGTERM)


def test_health_command(engine, autoheal):
    """For HEALTHCHECK: 0 or 1 and the reason in words, never 2."""
    ah = autoheal(engine, AUTOHEAL_INTERVAL="1")
    done = ah.command("health")
    assert done.returncode == 0 and "healthy" in (done.stdout + done.stderr).lower()
    engine.stop()
    harness.wait(lambda: ah.command("health").returncode == 1, 10, "health to turn", 0.1)
    done = ah.command("health")
    words = (done.stdout + done.stderr).strip()
    assert done.returncode == 1 and len(words.splitlines()) == 1 and len(words) > 15
    ah.stop()
    done = ah.command("health")
    assert done.returncode == 1 and len((done.stdout + done.stderr).strip()) > 15


def test_health_of_a_stopped_process_times_out(engine, autoheal):
    """A service that hangs is not healthy: `health` answers 1 in reasonable time."""
    ah = autoheal(engine)
    os.kill(ah.pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        assert ah.command("health", timeout=30).returncode == 1
        assert time.monotonic() - begin < 25
    finally:
        os.kill(ah.pid, signal.SIGCONT)


def test_health_goes_its_own_way_with_reads_behind_a_token(engine, autoheal):
    ah = autoheal(engine, AUTOHEAL_API_READS="token")
    assert ah.command("health", AUTOHEAL_API_TOKEN="").returncode == 0


def test_a_missing_socket_is_said_and_waited_for(engine, autoheal):
    """No socket yet: a clear sentence with the path, no exit, and all is well once it is there."""
    web = engine.add("web", labels=LABEL)
    engine.stop()
    ah = autoheal(engine, ready=False)
    ah.wait_log("(WARNING|ERROR).*" + re.escape(engine.socket_path))
    assert ah.get("/health").status == 503 and ah.get("/health").json()["reason"]
    engine.start()
    ah.wait_ready(15)
    sick_and_healed(engine, ah, web)


def test_a_refused_socket(engine, autoheal):
    engine.stop(keep_path=True)
    ah = autoheal(engine, ready=False)
    ah.wait_log("(WARNING|ERROR).*([Rr]efused|nobody listens|not listening)")
    engine.start()
    ah.wait_ready(15)


def test_a_path_that_is_no_socket(autoheal, tmp_path):
    """Docker makes a folder where a bind mount's source is missing."""
    (tmp_path / "docker.sock").mkdir()
    ah = autoheal(f"unix://{tmp_path}/docker.sock", ready=False)
    ah.wait_log("(WARNING|ERROR).*docker.sock")
    assert ah.alive()


def test_a_tcp_port_that_nobody_serves(autoheal):
    ah = autoheal(f"tcp://127.0.0.1:{harness.free_port()}", ready=False)
    ah.wait_log("(WARNING|ERROR).*127.0.0.1")
    assert ah.alive()


def test_a_name_that_cannot_be_resolved(autoheal):
    ah = autoheal("tcp://no-such-host.invalid:2375", ready=False)
    ah.wait_log("(WARNING|ERROR).*no-such-host.invalid", timeout=30)
    assert ah.get("/health").status == 503


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_no_permission_on_the_socket_names_the_gid(make_engine, autoheal, open_folder, tmp_path):
    """Run as another user: the group that owns the socket is what `--user UID:GID` or group_add needs."""
    engine = make_engine(socket_path=open_folder / "docker.sock")
    os.chown(engine.socket_path, 0, 12345)
    os.chmod(engine.socket_path, 0o660)
    program = open_folder / "autoheal"
    program.write_bytes(harness.binary().read_bytes())
    program.chmod(0o755)
    ah = autoheal(engine, ready=False, program=program, user=65534, group=65534, groups=[])
    ah.wait_log(r"(?=.*(WARNING|ERROR))(?=.*12345)(?=.*docker\.sock)")
    assert ah.alive() and ah.get("/health").status == 503
    ah.stop()
    web = engine.add("web", labels=LABEL)
    helped = autoheal(engine, program=program, user=65534, group=65534, groups=[12345])
    engine.sicken(web)
    engine.wait_restart(web)
    helped.stop()


def test_the_default_address_is_a_known_socket(autoheal, tmp_path, make_engine):
    """Without DOCKER_HOST the usual places are looked at, $XDG_RUNTIME_DIR among them."""
    if os.path.exists("/var/run/docker.sock"):
        pytest.skip("/var/run/docker.sock exists")
    engine = make_engine(socket_path=tmp_path / "docker.sock")
    autoheal(None, XDG_RUNTIME_DIR=tmp_path)
    engine.wait_stream()


def test_log_levels_and_json(engine, autoheal):
    import json
    web = engine.add("web", labels=LABEL)
    quiet = autoheal(engine, AUTOHEAL_LOG_LEVEL="ERROR")
    assert not quiet.log_lines(" INFO ")
    quiet.stop()
    ah = autoheal(engine, AUTOHEAL_LOG_FORMAT="json", AUTOHEAL_LOG_LEVEL="debug", **QUICK)
    sick_and_healed(engine, ah, web)
    ah.stop()
    lines = [json.loads(line) for line in ah.log().splitlines()]
    assert len(lines) > 3
    assert {"INFO", "DEBUG"} <= {value for entry in lines for value in entry.values() if isinstance(value, str)}


def test_the_clock_of_the_log(engine, autoheal):
    def hours_from_utc(ah):
        stamp = re.search(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) - ", ah.log(), re.M).group(1)
        return round((calendar.timegm(time.strptime(stamp, "%Y-%m-%d %H:%M:%S")) - time.time()) / 3600)

    ahead = autoheal(engine, TZ="ABC-9")
    assert hours_from_utc(ahead) == 9 and not ahead.log_lines("TZ is")
    lost = autoheal(engine, TZ="Mars/Olympus", AUTOHEAL_INSTANCE="lost")
    assert hours_from_utc(lost) == 0 and len(lost.log_lines("TZ is 'Mars/Olympus'")) == 1


def test_many_open_files_are_not_needed(engine, autoheal):
    """Under RLIMIT_NOFILE of 64 it heals 40 at once, if not all in parallel."""
    many = [engine.add(f"c{i}", labels=LABEL, stop_seconds=0.1) for i in range(40)]
    ah = autoheal(engine, AUTOHEAL_STORM="off", AUTOHEAL_MAX_PARALLEL="200",
                  wrapper=["sh", "-c", 'ulimit -n 64; exec "$0" "$@"'])
    engine.sicken(*many)
    for container in many:
        healed(engine, ah, container, timeout=15)


def test_descriptors_are_given_back(engine, autoheal):
    """After fifty heals and reads as many descriptors are open as before."""
    many = [engine.add(f"c{i}", labels=LABEL) for i in range(50)]
    ah = autoheal(engine, AUTOHEAL_STORM="off")
    def open_now():
        return len(os.listdir(f"/proc/{ah.pid}/fd"))
    harness.wait(lambda: open_now() < 20, what="a quiet start")
    before = open_now()
    engine.sicken(*many)
    for container in many:
        healed(engine, ah, container)
        ah.get("/api/status")
    with socket.create_connection(("127.0.0.1", ah.port)) as s:
        s.sendall(b"GET / HT")
    harness.wait(lambda: open_now() <= before + 2, 10, "descriptors to be closed")

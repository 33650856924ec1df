"""Fixtures for the tests against a real engine: one private dockerd for all of them, autoheal as it is shipped.

SKIP_REAL=1 skips them all; without it, a dockerd that cannot start fails them with its own last words.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import recorder  # noqa: E402
from engine import Engine, EngineError, wait  # noqa: E402
from harness import Autoheal, binary  # noqa: E402

# Real-time priority, for what measures and for what is measured: a busy machine's other work does not count then.
PROMPT = ["chrt", "-f", "10"]

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None


def pytest_collection_modifyitems(items):
    if os.environ.get("SKIP_REAL", "") not in ("", "0"):
        for item in items:
            if HERE in pathlib.Path(str(item.fspath)).parents:
                item.add_marker(pytest.mark.skip(reason="SKIP_REAL is set"))


def engine_or_fail(**options):
    """A started engine with the busybox image; the test fails in words where that is not possible."""
    engine = Engine(**options)
    try:
        engine.start()
        engine.import_busybox()
    except (EngineError, OSError, subprocess.SubprocessError) as e:
        engine.stop()
        pytest.fail(f"no real engine for this test: {e}\n(SKIP_REAL=1 leaves these tests out)", pytrace=False)
    except BaseException:
        engine.stop()
        raise
    return engine


@pytest.fixture(scope="session")
def shared_engine():
    engine = engine_or_fail()
    yield engine
    engine.stop()


@pytest.fixture
def engine(shared_engine):
    """The private engine without a container; what a test leaves behind is removed."""
    yield shared_engine
    shared_engine.remove_all()


@pytest.fixture
def own_engine():
    """An engine for one test alone, which may be stopped and started; its containers live on meanwhile."""
    engine = engine_or_fail(live_restore=True)
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def program():
    try:
        return binary(prefer_sanitized=False)
    except FileNotFoundError as e:
        return pytest.fail(str(e), pytrace=False)


@pytest.fixture
def autoheal(tmp_path, program):
    """autoheal(engine, AUTOHEAL_…=…) starts the service and waits until its first audit is done. The log is shown
    where a test fails."""
    running = []

    def start(host, ready=True, folder=tmp_path, **settings):
        settings = {"AUTOHEAL_INTERVAL": "2", "AUTOHEAL_LOG_LEVEL": "DEBUG", **settings}
        service = Autoheal(folder, docker_host=getattr(host, "host", host), program=program, **settings)
        running.append(service)
        if ready:
            service.wait_ready(15)
        return service

    yield start
    for service in running:
        try:
            service.close()
        finally:
            print(f"---- the log of autoheal {service.instance}:\n{service.log()[-20000:]}")


@pytest.fixture
def memory_folder():
    """A folder in memory where there is one: a log there waits for no disk."""
    with tempfile.TemporaryDirectory(prefix="autoheal-", dir=MEMORY) as folder:
        yield pathlib.Path(folder)


def wait_audits(service, count=2, timeout=30.0):
    """Waits until `count` audits have begun and ended after this call."""
    def last():
        return service.get("/api/status", token=True).json()["engines"][0]["last_audit"]
    for _ in range(count + 1):  # the first to end may have begun before the call
        seen = last()
        wait(lambda: last() != seen, timeout, "the next audit", 0.05)


@pytest.fixture(scope="session")
def recorder_program(tmp_path_factory):
    return recorder.build(tmp_path_factory.mktemp("bin") / "recorder")


@pytest.fixture(name="recorder")
def recorder_in_front(engine, recorder_program, tmp_path):
    """A proxy that autoheal may be started with in place of the engine."""
    made = recorder.Recorder(recorder_program, engine, tmp_path, PROMPT)
    yield made
    made.close()

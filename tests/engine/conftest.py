"""Fixtures of the engine tests, and a small runner that spreads them over processes.

Most of a test here is waiting, so several run at once: each worker is a fork that takes the next test from a
shared counter and sends its reports back. Tests marked `alone` (they measure time) run after that, one by one.

    pytest tests/engine                     with JOBS workers (default 6)
    pytest tests/engine --jobs 0            all in this process, e.g. with --pdb
    pytest tests/engine --long              with the tests that take minutes
"""
import contextlib
import itertools
import multiprocessing
import os
import pathlib
import pickle
import shutil
import sys
import tempfile
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402
from certificates import Certificates  # noqa: E402
from endpoints import undocumented  # noqa: E402
from scripted_engine import Engine  # noqa: E402


# ---- fixtures

@pytest.fixture
def make_engine(tmp_path, request):
    """make_engine(**Engine's keywords): a started engine; on a unix socket unless tcp=True.

    After the test, every request that any of them got must stand in the table of docs/engines.md, unless the test
    is `asks_itself`.
    """
    made = []

    def make(**kw):
        if not kw.get("tcp"):
            kw.setdefault("socket_path", tmp_path / f"engine{len(made) or ''}.sock")
        engine = Engine(**kw).start()
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.stop()
        assert not engine.problems, engine.problems
        assert not engine.forbidden(), f"requests that a healer must never send: {engine.forbidden()}"
        if not request.node.get_closest_marker("asks_itself"):
            assert not undocumented(engine.log), f"not in the table of docs/engines.md: {undocumented(engine.log)}"


@pytest.fixture
def folder(tmp_path):
    """An empty folder for AUTOHEAL_DATA_DIR."""
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture
def engine(make_engine):
    """A scripted engine as Docker 28.5 on a unix socket."""
    return make_engine()


@pytest.fixture
def autoheal(tmp_path, request):
    """autoheal(engine, **settings): the service, started against the engine and ready unless ready=False.

    Its audit interval is an hour unless told, so that what heals is the event stream. `engine` may be a URL.
    """
    made = []

    def start(engine=None, ready=True, **kw):
        kw.setdefault("AUTOHEAL_INTERVAL", "3600")
        host = getattr(engine, "url", engine)
        ah = harness.Autoheal(tmp_path, docker_host=host, **kw)
        made.append(ah)
        if ready:
            ah.wait_ready()
        return ah

    yield start
    errors = []
    for ah in made:
        try:
            ah.close()
        except AssertionError as e:
            errors.append(str(e))
        print(f"---- the log of {ah.instance}:\n{ah.log()[-5000:]}")     # shown when the test failed
    assert not errors, "\n".join(errors)


@pytest.fixture
def pki(tmp_path, tmp_path_factory):
    """Makes certificates; the keys are shared by all tests of a run."""
    return Certificates(tmp_path, tmp_path_factory.getbasetemp() / "keys")


@pytest.fixture
def open_folder():
    """A folder that every user may enter (pytest's own are for its owner only)."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="autoheal-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


# ---- several tests at once

def pytest_addoption(parser):
    parser.addoption("--jobs", type=int, default=int(os.environ.get("JOBS", "6")), help="tests run at once; 0: no workers")
    parser.addoption("--long", action="store_true", default=bool(os.environ.get("LONG")),
                     help="run the tests that take minutes, too")


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time, so nothing else runs beside it")
    config.addinivalue_line("markers", "asks_itself: sends requests to the scripted engine that autoheal never would")
    config.addinivalue_line("markers", "long: takes minutes, runs only with --long")
    config.addinivalue_line("markers", "first: takes many seconds, so it is begun first")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: --long"))
    items.sort(key=lambda i: (bool(i.get_closest_marker("alone")), not i.get_closest_marker("first"),
                              not i.get_closest_marker("long")))


class Sender:
    """In a worker: every report goes to the parent."""

    def __init__(self, config, pipe):
        self.config, self.pipe = config, pipe

    def pytest_runtest_logreport(self, report):
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.pipe.send_bytes(pickle.dumps(data))


def work(session, items, counter, pipe):
    """A worker's life: the next test, until there is none."""
    config = session.config
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter:
        config.pluginmanager.unregister(reporter)
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture:                                 # files of its own to capture into
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture()
    config.pluginmanager.register(Sender(config, pipe))
    while True:
        with counter.get_lock():
            number = counter.value
            counter.value += 1
        if number >= len(items):
            break
        config.hook.pytest_runtest_protocol(item=items[number], nextitem=None)
    pipe.close()


def pytest_runtestloop(session):
    config = session.config
    jobs = config.getoption("--jobs")
    together = [i for i in session.items if not i.get_closest_marker("alone")]
    alone = session.items[len(together):]
    if jobs < 2 or len(together) < 2 or config.option.collectonly or config.getoption("usepdb") or session.testsfailed:
        return None
    config._tmp_path_factory.getbasetemp()      # one for all workers
    fork = multiprocessing.get_context("fork")
    counter = fork.Value("i", 0)
    printing = threading.Lock()
    children, threads = [], []

    def receive(pipe):
        with contextlib.suppress(EOFError):
            while True:
                data = pickle.loads(pipe.recv_bytes())
                report = config.hook.pytest_report_from_serializable(config=config, data=data)
                with printing:
                    config.hook.pytest_runtest_logreport(report=report)

    for _ in range(min(jobs, len(together))):
        receiver, sender = fork.Pipe(duplex=False)
        child = fork.Process(target=work, args=(session, together, counter, sender))
        child.start()
        sender.close()
        children.append((child, receiver))
    for _, receiver in children:
        threads.append(threading.Thread(target=receive, args=(receiver,)))
        threads[-1].start()
    for child, _ in children:
        child.join()
    for thread in threads:
        thread.join()
    broken = [child.exitcode for child, _ in children if child.exitcode]
    if broken:
        raise pytest.UsageError(f"a test worker ended with {broken[0]}")
    for item, following in itertools.zip_longest(alone, alone[1:]):
        config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return True

"""Starts the built binary, talks to its API, reads its log: shared by tests/engine and tests/real.

Standard library only. A test says what it waits for and how long at most; nothing here sleeps for a fixed time.

    with Autoheal(tmp_path, docker_host="unix:///tmp/x/docker.sock", AUTOHEAL_INTERVAL="1") as ah:
        ah.wait_ready()
        ah.wait_event("auto_monitor", "web")
        assert ah.get("/api/status").json()["monitored_containers"] == 1
"""
import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKEN = "test-token"
SANITIZER = re.compile(r"ERROR: (Address|Leak|Memory|Thread)Sanitizer|AddressSanitizer:|runtime error:")

_counter = itertools.count(1)


def binary(prefer_sanitized=True):
    """The program under test: $AUTOHEAL, else the sanitizer build, else the shipped one (or the reverse)."""
    if os.environ.get("AUTOHEAL"):
        return pathlib.Path(os.environ["AUTOHEAL"]).resolve()
    built = [ROOT / "build/san/autoheal", ROOT / "build/autoheal"]
    for path in built if prefer_sanitized else reversed(built):
        if path.is_file():
            return path
    raise FileNotFoundError("neither build/san/autoheal nor build/autoheal exists: run make first, or set AUTOHEAL")


def free_port():
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(condition, timeout=5.0, what="the condition", step=0.01):
    """Calls condition() until it is true, and returns what it returned; an AssertionError after timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(step)


class Answer:
    """An HTTP answer: status, headers (names in lower case), body as bytes."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"<{self.status} {self.body[:500]!r}>"


def request(address, method, path, headers=None, body=None, timeout=10.0):
    """One HTTP request; address is (host, port), a path of a unix socket, or '@name' for an abstract one.

    A dict as body is sent as JSON. A header set to None is left out (Host too).
    """
    conn = http.client.HTTPConnection("localhost", timeout=timeout)
    if isinstance(address, tuple):
        conn.sock = socket.create_connection(address, timeout)
        host = "%s:%d" % address
    else:
        conn.sock = socket.socket(socket.AF_UNIX)
        conn.sock.settimeout(timeout)
        conn.sock.connect("\0" + address[1:] if address.startswith("@") else address)
        host = "localhost"
    headers = {"Host": host, **(headers or {})}
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    if isinstance(body, str):
        body = body.encode()
    if body is not None or method in ("POST", "PUT"):
        headers.setdefault("Content-Length", str(len(body or b"")))
    try:
        conn.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            if value is not None:
                conn.putheader(name, value)
        conn.endheaders(body)
        r = conn.getresponse()
        return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
    finally:
        conn.close()


def clean_environment(**extra):
    """The environment of the program under test: nothing of ours but PATH; None unsets, the rest becomes text."""
    env = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1:exitcode=99",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
    }
    env.update({k: str(v) for k, v in extra.items() if v is not None})
    return env


def run(*args, timeout=20.0, program=None, **env):
    """One run of the program to its end, e.g. run('--version'): a CompletedProcess with text in stdout and stderr."""
    done = subprocess.run([str(program or binary()), *args], env=clean_environment(**env), timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace")
    assert not SANITIZER.search(done.stderr), done.stderr
    return done


class Autoheal:
    """The service under test as a child process, listening on a port of its own.

    Settings are given as keywords (None unsets a default of ours). Of the constructor's own words,
    `docker_host` becomes DOCKER_HOST, `user`/`group`/`groups` are ids to run as, `start=False` only prepares.
    """

    def __init__(self, folder, docker_host=None, args=(), program=None, user=None, group=None, groups=None,
                 start=True, wrapper=(), **env):
        number = next(_counter)
        self.folder = pathlib.Path(folder)
        self.program = pathlib.Path(program or binary())
        self.args = list(args)
        self.wrapper = list(wrapper)
        self.ids = {k: v for k, v in (("user", user), ("group", group), ("extra_groups", groups)) if v is not None}
        self.port = free_port()
        self.instance = f"t{os.getpid()}-{number}"
        self.log_path = self.folder / f"autoheal-{self.instance}.log"
        self.env = clean_environment(**{
            "DOCKER_HOST": docker_host,
            "AUTOHEAL_LISTEN": f"127.0.0.1:{self.port}",
            "AUTOHEAL_INSTANCE": self.instance,
            "AUTOHEAL_API_TOKEN": TOKEN,
            **env,
        })
        self.process = None
        if start:
            self.start()

    # -- the process

    def start(self):
        """Starts it (again, after a stop: the log is then appended to)."""
        self._log = open(self.log_path, "ab")
        self.process = subprocess.Popen([*self.wrapper, str(self.program), *self.args], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, **self.ids)
        self.started_at = time.monotonic()
        return self

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def wait_exit(self, timeout=20.0):
        """Waits for its end; the exit code (negative: the signal), after a look for sanitizer reports."""
        code = self.process.wait(timeout)
        self.check_sanitizers()
        return code

    def stop(self, sig=signal.SIGTERM, timeout=20.0):
        """Sends a signal and waits for the end; returns the exit code."""
        if self.alive():
            self.process.send_signal(sig)
        try:
            return self.wait_exit(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running {timeout} s after signal {sig}; its log:\n{self.log()}") from None

    def close(self):
        """For the end of a test: stopped at once, whatever is under way; sanitizer reports still count."""
        if self.process is None:
            return
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()
        self.check_sanitizers()

    def check_sanitizers(self):
        text = self.log()
        assert not SANITIZER.search(text), "a sanitizer reported:\n" + text[-8000:]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # -- its log

    def log(self):
        """All it has written to stdout and stderr so far."""
        try:
            return self.log_path.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def log_lines(self, regex):
        """The log lines in which regex is found."""
        return [line for line in self.log().splitlines() if re.search(regex, line)]

    def wait_log(self, regex, timeout=5.0, count=1):
        """Waits until count lines match; returns the match of the last of them."""
        def found():
            hits = [m for m in (re.search(regex, line) for line in self.log().splitlines()) if m]
            return hits[count - 1] if len(hits) >= count else None
        try:
            return wait(found, timeout, f"the log line {regex!r}")
        except AssertionError as e:
            raise AssertionError(f"{e}; the log:\n{self.log()[-6000:]}") from None

    # -- its API

    def request(self, method, path, headers=None, body=None, token=False, timeout=10.0):
        headers = dict(headers or {})
        if token:
            headers.setdefault("Authorization", "Bearer " + (token if isinstance(token, str) else TOKEN))
        return request(("127.0.0.1", self.port), method, path, headers, body, timeout)

    def get(self, path, headers=None, token=False, **kw):
        return self.request("GET", path, headers, token=token, **kw)

    def post(self, path, body=None, headers=None, token=True, **kw):
        return self.request("POST", path, headers, body, token=token, **kw)

    def put(self, path, body=None, headers=None, token=True, **kw):
        return self.request("PUT", path, headers, body, token=token, **kw)

    def delete(self, path, headers=None, token=True, **kw):
        return self.request("DELETE", path, headers, token=token, **kw)

    def up(self):
        """True once the API answers at all."""
        try:
            self.get("/health")
            return True
        except OSError:
            assert self.alive(), f"it ended with {self.process.returncode}; its log:\n{self.log()}"
            return False

    def wait_up(self, timeout=10.0):
        wait(self.up, timeout, "an answer of the API")
        return self

    def wait_ready(self, timeout=10.0):
        """Waits until /health says healthy: the stream stands and the first audit is done."""
        self.wait_up(timeout)
        try:
            wait(lambda: self.get("/health").status == 200, timeout, "/health to answer 200")
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.get('/health')}; the log:\n{self.log()[-6000:]}") from None
        return self

    def events(self, type=None, container=None, limit=1000, token=True):
        """The audit events, oldest first."""
        query = f"/api/events?limit={limit}" + (f"&type={type}" if type else "") + \
                (f"&container={container}" if container else "")
        answer = self.get(query, token=token)
        assert answer.status == 200, answer
        return answer.json()

    def wait_event(self, type, container=None, timeout=5.0, status=None, count=1):
        """Waits for the count-th audit event of this kind (and status); returns it."""
        def found():
            hits = [e for e in self.events(type, container) if status in (None, e["status"])]
            return hits[count - 1] if len(hits) >= count else None
        try:
            return wait(found, timeout, f"event {type} {status or ''} of {container} ({count}x)", 0.02)
        except AssertionError as e:
            raise AssertionError(f"{e}; events: {json.dumps(self.events(), indent=1)[-4000:]}\n"
                                 f"log:\n{self.log()[-4000:]}") from None

    def container(self, name, token=True):
        """GET /api/containers/NAME as a dict; an AssertionError when it is not 200."""
        answer = self.get(f"/api/containers/{name}", token=token)
        assert answer.status == 200, answer
        return answer.json()

    def wait_phase(self, name, phase, timeout=5.0):
        """Waits until the container stands in this phase (API.md); returns the container."""
        def found():
            answer = self.get(f"/api/containers/{name}", token=True)
            return answer.json() if answer.status == 200 and answer.json()["phase"] == phase else None
        return wait(found, timeout, f"phase {phase} of {name}", 0.02)

    def command(self, *args, timeout=20.0, **env):
        """Another run of the program with the same settings, e.g. command('health')."""
        merged = {**self.env, **{k: str(v) for k, v in env.items() if v is not None}}
        done = subprocess.run([str(self.program), *args], env=merged, timeout=timeout, stdin=subprocess.DEVNULL,
                              capture_output=True, encoding="utf-8", errors="replace")
        assert not SANITIZER.search(done.stderr), done.stderr
        return done

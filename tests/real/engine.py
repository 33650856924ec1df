"""A private Docker engine for tests and benchmarks, and a small client for it over its unix socket.

Standard library only. Everything of one engine lies in one temporary folder with a short path (the path of a unix
socket ends at 108 bytes); stop() takes it all away again: containers, shims, containerd, mounts, folder. An engine
whose owner was killed is cleared away by the next one that starts.

    with Engine() as engine:
        web = engine.run("web", labels={"autoheal": "true"})
        web.wait_health("healthy")
        web.sick()
"""
import calendar
import ctypes
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.parse

BUSYBOX = "/bin/busybox"
PREFIX = "autoheal-real-"
# What the containers run. `quick` goes at once when it is asked to; `deaf` never does, so that its stop timeout counts
# (a first process has no default action for a signal, so a plain sleep is deaf already).
QUICK = ["sh", "-c", 'rm -f /ctl/bad; trap "exit 0" TERM; while :; do sleep 3600 & wait $!; done']
DEAF = ["sh", "-c", 'rm -f /ctl/bad; trap "" TERM; while :; do sleep 3600; done']
HEALTH = "test ! -f /run/bad && test ! -f /ctl/bad"


# What dockerd leaves outside its folder; a mark in the folder says that it was not there before.
MADE = [("made-key", "/etc/docker/key.json"), ("made-etc", "/etc/docker"), ("made-plugins", "/run/docker/plugins"),
        ("made-run", "/run/docker")]


class EngineError(Exception):
    """The engine did not do what the test needs, in words."""


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def wait(condition, timeout, what, step=0.02):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(step)


def nanoseconds(text):
    """The engine's RFC 3339 time as nanoseconds since 1970; 0 for its 'never' (year 1)."""
    if text.startswith("0001"):
        return 0
    whole, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: no engine outlives a killed test run


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _processes_of(folder):
    """Pids of processes that name the folder in their command line (containerd, shims, dockerd)."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            program = os.path.basename(words[0])
            if program.startswith((b"dockerd", b"containerd", b"docker-proxy")) and \
                    any(str(folder).encode() in w for w in words) and _alive(entry):
                found.append(int(entry))
    return found


def _clear(folder):
    """Ends what still runs out of the folder, unmounts what is mounted in it, removes it."""
    for sig, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        for pid in _processes_of(folder):
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        end = time.monotonic() + patience
        while _processes_of(folder) and time.monotonic() < end:
            time.sleep(0.05)
    for _ in range(3):
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            points = [line.split()[4] for line in f]
        for point in sorted((p for p in points if p.startswith(f"{folder}/")), key=len, reverse=True):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)
    for group in [*pathlib.Path("/sys/fs/cgroup").glob(f"*/{folder.name}"), *pathlib.Path("/sys/fs/cgroup").glob(folder.name)]:
        for path, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                pass
    for mark, path in MADE:
        if (folder / mark).exists():
            try:
                os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
            except OSError:
                pass
    shutil.rmtree(folder, ignore_errors=True)


def sweep():
    """Clears away the engines whose owner is gone."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        try:
            owner = int((folder / "owner").read_text())
        except (OSError, ValueError):
            continue
        if not _alive(owner):
            _clear(folder)


def image_tar(links=None):
    """The bytes of a file system with busybox and links to it."""
    names = links or subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "ctl", "run", "tmp"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        tar.add(BUSYBOX, "bin/busybox")
        for name in names:
            if name != "busybox":
                info = tarfile.TarInfo("bin/" + name)
                info.type, info.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(info)
    return out.getvalue()


class Engine:
    """One dockerd. start() and terminate() may alternate; stop() is for good.

    tls, a folder with ca.pem, cert.pem and key.pem, makes it listen on TCP too, with --tlsverify; it may be set anew
    before a start().
    """

    def __init__(self, live_restore=False, tls=None, port=None):
        sweep()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
        (self.folder / "owner").write_text(str(os.getpid()))
        self.sock = str(self.folder / "docker.sock")
        self.host = "unix://" + self.sock
        self.log_path = self.folder / "dockerd.log"
        self.live_restore = live_restore
        self.tls, self.port = tls, port
        self.process = None

    def __enter__(self):
        try:
            self.start()
            self.import_busybox()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc):
        self.stop()

    # -- the daemon

    def log_tail(self, lines=15):
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def start(self, timeout=40.0):
        program = shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if program is None:
            raise EngineError("no dockerd here: apt-get install docker.io")
        if not os.path.exists(BUSYBOX):
            raise EngineError("no /bin/busybox here: apt-get install busybox-static")
        if os.geteuid() != 0:
            raise EngineError("a private dockerd needs root")
        command = [program, "--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "-H", self.host,
                   "-p", self.folder / "pid", "--bridge=none", "--iptables=false", "--config-file",
                   self.folder / "none.json", "--cgroup-parent", "/" + self.folder.name]
        (self.folder / "none.json").write_text("{}")
        if not self.log_path.exists():
            for mark, path in MADE:
                if not os.path.exists(path):
                    (self.folder / mark).touch()
        if self.live_restore:
            command.append("--live-restore")
        if self.tls:
            command += ["-H", f"tcp://127.0.0.1:{self.port}", "--tlsverify", "--tlscacert", self.tls / "ca.pem",
                        "--tlscert", self.tls / "cert.pem", "--tlskey", self.tls / "key.pem"]
        (self.folder / "pid").unlink(missing_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd="/", start_new_session=True, preexec_fn=_die_with_parent)
        end = time.monotonic() + timeout
        while True:
            if self.process.poll() is not None:
                raise EngineError(f"dockerd ended with {self.process.returncode}; its last lines:\n{self.log_tail()}")
            try:
                if self.api("GET", "/_ping", timeout=2)[0] == 200:
                    return self
            except OSError:
                pass
            if time.monotonic() > end:
                raise EngineError(f"dockerd does not answer after {timeout} s; its last lines:\n{self.log_tail()}")
            time.sleep(0.05)

    def terminate(self, sig=signal.SIGTERM, timeout=40.0):
        """Ends the daemon (with live-restore the containers live on) and waits for its containerd too."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def crash(self):
        """The daemon is killed; what it leaves is cleared so that it can be started again."""
        pid_file = self.folder / "exec/containerd/containerd.pid"
        containerd = int(pid_file.read_text())
        self.terminate(signal.SIGKILL)
        # its containerd dies with it, and may stay a zombie that nobody reaps: the next daemon would wait for it
        wait(lambda: not _alive(containerd), 10, "containerd to end")
        pid_file.unlink(missing_ok=True)

    def stop(self):
        try:
            if self.process and self.process.poll() is None:
                try:
                    self.remove_all()
                except (OSError, EngineError, http.client.HTTPException, ValueError):
                    pass
            self.terminate()
        finally:
            _clear(self.folder)

    def remove_all(self):
        for c in self.get("/containers/json?all=1"):
            self.api("DELETE", f"/containers/{c['Id']}?force=1&v=1")

    # -- its API

    def api(self, method, path, body=None, headers=None, timeout=60.0):
        """One request on a connection of its own; (status, JSON or text)."""
        connection = Connection(self.sock, timeout)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.getheader("Content-Type", "").startswith("application/json") and data:
            try:
                return answer.status, json.loads(data)
            except ValueError:
                pass
        return answer.status, data.decode("utf-8", "replace")

    def call(self, method, path, body=None, **kw):
        status, value = self.api(method, path, body, **kw)
        if status >= 400:
            raise EngineError(f"{method} {path}: {status} {value}")
        return value

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def import_busybox(self):
        self.call("POST", "/images/create?fromSrc=-&repo=busybox&tag=latest", image_tar())

    def inspect(self, name):
        return self.get(f"/containers/{name}/json")

    def events(self, container=None, since=0, actions=None):
        """What the engine still holds of its events, oldest first, as [(action, timeNano)]."""
        filters = {"type": ["container"]}
        if container:
            filters["container"] = [container]
        query = urllib.parse.urlencode({"since": f"{since / 1e9:.9f}" if since else "1", "until": f"{time.time():.9f}",
                                        "filters": json.dumps(filters)})
        connection = Connection(self.sock, 10)
        try:
            connection.request("GET", "/events?" + query)
            lines = connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()
        found = [json.loads(line) for line in lines if line.strip()]
        return [(e["Action"], e["timeNano"]) for e in found if actions is None or e["Action"] in actions]

    def docker_save(self, image):
        """The image as a tar, in bytes."""
        connection = Connection(self.sock, 60)
        try:
            connection.request("GET", f"/images/{image}/get")
            return connection.getresponse().read()
        finally:
            connection.close()

    def socket_gid(self):
        return os.stat(self.sock).st_gid

    def docker(self, *args, check=True, timeout=120, **kw):
        """The docker command against this engine."""
        done = subprocess.run(["/usr/bin/docker", "-H", self.host, *args], capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL, check=False, **kw)
        if check and done.returncode != 0:
            raise EngineError(f"docker {' '.join(args)}: {done.returncode} {done.stderr.strip()}")
        return done

    # -- containers

    def create(self, name, *, image="busybox", cmd=None, labels=None, health=HEALTH, interval=0.5, retries=1,
               timeout=10, stop_timeout=None, restart=None, rm=False, control=False, host=None, **config):
        """A container that is not started. health is a shell command, a list as Docker's Test, or None for none;
        control gives it a folder of the host under /ctl, where Container.sick() can make it sick without an exec."""
        body = {
            "Image": image,
            "Cmd": QUICK if cmd is None else cmd,
            "Labels": labels or {},
            "NetworkDisabled": True,
            "HostConfig": {"NetworkMode": "none", "AutoRemove": rm, "Tmpfs": {"/run": ""}, **(host or {})},
            **config,
        }
        if health is not None:
            body["Healthcheck"] = {"Test": health if isinstance(health, list) else ["CMD-SHELL", health],
                                   "Interval": int(interval * 1e9), "Timeout": int(timeout * 1e9), "Retries": retries}
        if stop_timeout is not None:
            body["StopTimeout"] = stop_timeout
        if restart:
            policy, _, most = restart.partition(":")
            body["HostConfig"]["RestartPolicy"] = {"Name": policy, "MaximumRetryCount": int(most or 0)}
        folder = None
        if control:
            folder = self.folder / "ctl" / name
            folder.mkdir(parents=True, exist_ok=True)
            body["HostConfig"].setdefault("Binds", []).append(f"{folder}:/ctl")
        made = self.call("POST", "/containers/create?name=" + urllib.parse.quote(name), body)
        return Container(self, name, made["Id"], folder)

    def run(self, name, **kw):
        return self.create(name, **kw).start()


class Container:
    def __init__(self, engine, name, id, control=None):
        self.engine, self.name, self.id, self.control = engine, name, id, control

    def _post(self, verb, **query):
        text = urllib.parse.urlencode(query)
        return self.engine.call("POST", f"/containers/{self.id}/{verb}" + (f"?{text}" if text else ""), timeout=120)

    def start(self):
        self._post("start")
        return self

    def stop(self, **query):
        self._post("stop", **query)

    def restart(self, **query):
        self._post("restart", **query)

    def kill(self, sig="SIGKILL"):
        self._post("kill", signal=sig)

    def pause(self):
        self._post("pause")

    def unpause(self):
        self._post("unpause")

    def remove(self):
        self.engine.api("DELETE", f"/containers/{self.id}?force=1&v=1")

    def inspect(self):
        return self.engine.inspect(self.id)

    def state(self):
        return self.inspect()["State"]

    def health(self):
        return self.state().get("Health", {}).get("Status")

    def started(self):
        """When it was started last, in nanoseconds since 1970."""
        return nanoseconds(self.state()["StartedAt"])

    def finished(self):
        return nanoseconds(self.state()["FinishedAt"])

    def events(self, since=0, actions=None):
        return self.engine.events(self.id, since, actions)

    def exec(self, *cmd, timeout=20.0):
        """Runs cmd inside; its exit code."""
        made = self.engine.call("POST", f"/containers/{self.id}/exec", {"Cmd": list(cmd)})
        self.engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})
        done = wait(lambda: (lambda e: e if not e["Running"] and e["ExitCode"] is not None else None)(
            self.engine.get(f"/exec/{made['Id']}/json")), timeout, f"exec {cmd} in {self.name}")
        return done["ExitCode"]

    def sick(self):
        """From the next probe on it fails, until it is started again."""
        if self.control:
            (self.control / "bad").touch()
        else:
            code = self.exec("touch", "/run/bad")
            if code != 0:
                raise EngineError(f"touch /run/bad in {self.name}: exit {code}")

    def well(self):
        """Takes sick() back without a restart."""
        if self.control:
            (self.control / "bad").unlink(missing_ok=True)
        else:
            self.exec("rm", "-f", "/run/bad")

    def wait_health(self, status, timeout=15.0):
        wait(lambda: self.health() == status, timeout, f"{self.name} to be {status}")
        return self

    def wait_restarted(self, before, timeout=15.0):
        """Waits until it was started after `before` (a started() of earlier) and runs; returns the new started()."""
        wait(lambda: self.started() > before and self.state()["Running"], timeout, f"{self.name} to be restarted", 0.05)
        return self.started()


"""A private Podman for tests: `podman system service` over folders of its own, and the podman command for the same.

Standard library only. There is no systemd in a test, so a probe runs only when Container.probe() asks for one; the
events go to a file. Everything lies in one temporary folder; stop() takes it all away again.

    with Podman() as podman:
        web = podman.run("web", labels={"autoheal": "true"})
        web.probe()
"""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from engine import BUSYBOX, Connection, image_tar, nanoseconds, wait

PREFIX = "autoheal-podman-"
# Ends at once when asked to, with a code of its own: 137 would say that nobody asked.
POLITE = ["sh", "-c", 'trap "exit 7" TERM; while :; do sleep 3600 & wait $!; done']
CONFIG = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "%s"
"""


class PodmanError(Exception):
    """Podman does not do what the test needs, in words."""


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _programs():
    """Paths of podman and of an OCI runtime; a PodmanError says what is missing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    podman = shutil.which("podman", path=path)
    runtime = next((r for r in ("runc", "crun") if shutil.which(r, path=path)), None)
    if not podman:
        raise PodmanError("no podman here: apt-get install podman")
    if not runtime:
        raise PodmanError("no runc or crun here: apt-get install runc")
    if not os.path.exists(BUSYBOX):
        raise PodmanError("no /bin/busybox here: apt-get install busybox-static")
    if os.geteuid() != 0:
        raise PodmanError("a private Podman needs root")
    return podman, runtime


class Podman:
    """One Podman service. start() and terminate() may alternate, its containers live on meanwhile; stop() is for good."""

    def __init__(self):
        self.program, runtime = _programs()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
        self.sock = str(self.folder / "podman.sock")
        self.host = "unix://" + self.sock
        self.log_path = self.folder / "service.log"
        self.options = [self.program, "--root", str(self.folder / "root"), "--runroot", str(self.folder / "run"),
                        "--tmpdir", str(self.folder / "tmp"), "--storage-driver", "vfs"]
        (self.folder / "containers.conf").write_text(CONFIG % runtime)
        self.environment = {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}
        self.process = None

    def __enter__(self):
        try:
            self.command("import", "-", "busybox", input=image_tar())
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *exc):
        self.stop()

    # -- the service

    def start(self, timeout=30.0):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.options, "system", "service", "-t", "0", self.host], env=self.environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                            preexec_fn=_die_with_parent)
        end = time.monotonic() + timeout
        while True:
            if self.process.poll() is not None:
                raise PodmanError(f"podman system service ended with {self.process.returncode}: "
                                  + self.log_path.read_text(errors="replace")[-1000:])
            try:
                self.get("/_ping")
                return self
            except OSError:
                pass
            if time.monotonic() > end:
                raise PodmanError(f"podman system service does not answer after {timeout} s")
            time.sleep(0.05)

    def terminate(self):
        """Ends the service, and with it every event stream; the containers live on."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def stop(self):
        try:
            self.remove_all()
        except (PodmanError, subprocess.SubprocessError):
            pass
        self.terminate()
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            points = [line.split()[4] for line in f]
        for point in sorted((p for p in points if p.startswith(f"{self.folder}/")), key=len, reverse=True):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_all(self):
        self.command("rm", "--all", "--force", "--time", "0")

    # -- asking

    def command(self, *args, check=True, input=None, timeout=60):
        """The podman command on the same folders: a CompletedProcess, its output as text."""
        done = subprocess.run([*self.options, *args], env=self.environment, timeout=timeout, check=False, cwd="/",
                              capture_output=True, **({"stdin": subprocess.DEVNULL} if input is None else {"input": input}))
        done.stdout, done.stderr = (out.decode("utf-8", "replace") for out in (done.stdout, done.stderr))
        if check and done.returncode != 0:
            raise PodmanError(f"podman {' '.join(args)}: {done.returncode} {done.stderr.strip()}")
        return done

    def get(self, path, timeout=20.0):
        """GET of the service: JSON or text."""
        connection = Connection(self.sock, timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            data = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        if answer.status >= 400:
            raise PodmanError(f"GET {path}: {answer.status} {data}")
        return json.loads(data) if answer.getheader("Content-Type", "").startswith("application/json") else data

    def events(self, container):
        """What its log holds of a container, oldest first: (word, the whole)."""
        lines = self.command("events", "--stream=false", "--filter", f"container={container}", "--format", "json").stdout
        found = [json.loads(line) for line in lines.splitlines() if line.strip()]
        return [(e["Status"], e) for e in found]

    # -- containers

    def run(self, name, labels=None, cmd=None, retries=1, stop_timeout=None):
        args = ["run", "--detach", "--name", name, "--network", "none", "--tmpfs", "/run", "--health-interval", "1h",
                "--health-retries", str(retries), "--health-cmd", "test ! -f /run/bad"]
        for key, value in (labels or {}).items():
            args += ["--label", f"{key}={value}"]
        if stop_timeout is not None:
            args += ["--stop-timeout", str(stop_timeout)]
        made = self.command(*args, "busybox", *(cmd or POLITE))
        return Container(self, name, made.stdout.split()[-1])


class Container:
    def __init__(self, podman, name, id):
        self.podman, self.name, self.id = podman, name, id

    def state(self):
        return self.podman.get(f"/containers/{self.name}/json")["State"]

    def health(self):
        return self.state()["Health"]["Status"]

    def started(self):
        return nanoseconds(self.state()["StartedAt"])

    def probe(self):
        """One run of its healthcheck: True when it was well. The event that it sends may say what was before."""
        return self.podman.command("healthcheck", "run", self.name, check=False).returncode == 0

    def sick(self):
        """From the next probe on it fails, until it is started again."""
        self.podman.command("exec", self.name, "touch", "/run/bad")

    def stop(self):
        self.podman.command("stop", self.name)

    def start(self):
        self.podman.command("start", self.name)

    def count(self, word):
        """How many events of this word (Podman's own: died, restart, health_status ...) its log holds."""
        return len([1 for status, _ in self.podman.events(self.id) if status == word])

    def exits(self):
        """The exit codes in its log."""
        return [e["ContainerExitCode"] for word, e in self.podman.events(self.id) if word == "died"]

    def wait_restarted(self, before, timeout=15.0):
        wait(lambda: self.started() > before and self.state()["Running"], timeout, f"{self.name} to be restarted", 0.05)
        return self.started()

"""A socket proxy in front of the private engine: Debian's haproxy, with rules as the two well-known images have them.

Both refuse everything that no setting grants (403). They differ in what a POST needs:
- tecnativa: POST=1 comes first; without it no ALLOW_... helps (docker-socket-proxy#101).
- linuxserver: ALLOW_START and ALLOW_RESTARTS let their two requests through, whatever POST says.

    with SocketProxy(engine, folder, "tecnativa", CONTAINERS=1, POST=1) as proxy:
        autoheal(proxy.host)
        proxy.configure(POST=0)                 # and every open connection is cut
"""
import pathlib
import shutil
import signal
import socket
import subprocess

from engine import _die_with_parent, wait

# What an image grants unless told.
DEFAULTS = {"EVENTS": 1, "PING": 1, "VERSION": 1, "CONTAINERS": 0, "POST": 0, "ALLOW_RESTARTS": 0, "ALLOW_START": 0}
SECTIONS = {"EVENTS": "events", "PING": "_ping", "VERSION": "version", "CONTAINERS": "containers"}
ACTIONS = {"ALLOW_RESTARTS": "(stop|restart|kill)", "ALLOW_START": "start"}

CONFIGURATION = """\
global
    log stdout format raw local0
    maxconn 500
defaults
    mode http
    log global
    log-format "%[capture.req.method] %[capture.req.uri] %ST %ts"
    option http-server-close
    timeout connect 5s
    timeout http-request 10s
    timeout client {idle}
    timeout server {idle}
    timeout http-keep-alive {keep_alive}
frontend guarded
    bind 127.0.0.1:{port}
{rules}
    http-request deny
    default_backend engine
backend engine
    server socket unix@{socket}
"""


def program():
    return shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin")


def rules(kind, rights):
    """The rules in the image's order; the first that fits decides."""
    actions = [f"allow if {{ path_reg ^(/v[0-9.]+)?/containers/[^/]+/{verb} }}"
               for right, verb in ACTIONS.items() if rights[right]]
    post = [] if rights["POST"] else ["deny unless METH_GET"]
    sections = [f"allow if {{ path_reg ^(/v[0-9.]+)?/{path} }}" for right, path in SECTIONS.items() if rights[right]]
    order = {"tecnativa": post + actions, "linuxserver": actions + post}[kind] + sections
    return "\n".join("    http-request " + rule for rule in order)


class SocketProxy:
    def __init__(self, engine, folder, kind, idle="10m", keep_alive="10s", **rights):
        self.engine, self.folder, self.kind = engine, pathlib.Path(folder), kind
        self.idle, self.keep_alive = idle, keep_alive
        self.rights = {**DEFAULTS, **rights}
        self.log_path = self.folder / "haproxy.log"
        self.process = None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.host = f"tcp://127.0.0.1:{self.port}"
        self._start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _start(self):
        path = self.folder / "haproxy.cfg"
        path.write_text(CONFIGURATION.format(idle=self.idle, keep_alive=self.keep_alive, port=self.port,
                                             rules=rules(self.kind, self.rights), socket=self.engine.sock))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([program(), "-db", "-f", path], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=_die_with_parent)
        wait(self._listens, 10, "haproxy to listen")

    def _listens(self):
        assert self.process.poll() is None, f"haproxy ended with {self.process.returncode}: {self.log_path.read_text()}"
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def configure(self, **rights):
        """Grants and revokes; the proxy is replaced, as an image is that gets other settings."""
        self.close()
        self.rights.update(rights)
        self._start()

    def close(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.process = None

    def requests(self, method=None, path=""):
        """[(method, target, status, how it ended)] of the requests that are over; 'sD' and 'cD' are idle cuts."""
        lines = [line.split() for line in self.log_path.read_text().splitlines()]
        return [tuple(line) for line in lines
                if len(line) == 4 and line[0] in ("GET", "POST", "HEAD") and method in (None, line[0]) and path in line[1]]

    def cuts(self):
        """How many event streams were cut because they were idle."""
        return len([r for r in self.requests("GET", "/events") if r[3][0] in "sc" and r[3][1] == "D"])

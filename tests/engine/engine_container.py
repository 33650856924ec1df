"""One container of the scripted engine's model, and how it looks in a list and in inspect."""
import datetime
import random
import re
import threading
import time

SECOND = 1_000_000_000
ZERO_TIME = "0001-01-01T00:00:00Z"


def rfc3339(nanoseconds):
    """Nanoseconds since 1970 as Docker prints times."""
    if not nanoseconds:
        return ZERO_TIME
    seconds, rest = divmod(nanoseconds, SECOND)
    return datetime.datetime.utcfromtimestamp(seconds).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:09d}Z"


def human_duration(seconds):
    """As go-units HumanDuration: the words of docker ps."""
    seconds = int(seconds)
    if seconds < 1:
        return "Less than a second"
    if seconds == 1:
        return "1 second"
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = seconds // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = round(seconds / 3600)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    return f"{hours // 24 // 7} weeks"

class Container:
    """One container of the model. Tests may set any member; the engine's methods send the events."""

    def __init__(self, name, labels=None, image="busybox:latest", id=None, state="running", health="healthy",
                 healthcheck=True, interval=0.5, timeout=0.5, retries=3, start_period=0.0, stop_timeout=None,
                 restart_policy="no", auto_remove=False, network_mode="default", stop_seconds=0.0,
                 heals_after=0.05, up=300.0, hostname=None, exit_code=0, streak=0):
        self.id = id or "%064x" % random.getrandbits(256)
        self.name = name
        self.labels = dict(labels or {})
        self.image = image
        self.state = state                      # created running paused restarting exited dead removing
        self.health = health if healthcheck else None
        self.streak = streak
        self.log = []
        self.has_healthcheck = healthcheck
        self.interval, self.timeout, self.retries, self.start_period = interval, timeout, retries, start_period
        self.stop_timeout = stop_timeout        # Config.StopTimeout, None: not in the JSON
        self.restart_policy = restart_policy
        self.restarts_most = 0                  # MaximumRetryCount of on-failure
        self.auto_remove = auto_remove
        self.network_mode = network_mode
        self.stop_seconds = stop_seconds        # how long a stop takes
        self.heals_after = heals_after          # a start is followed by `healthy` so much later; None: never
        self.sick_while_stopping = None         # seconds after a stop's kill at which health_status: unhealthy is sent
        self.start_error = None                 # text of the 500 when it is started (the stop has worked)
        self.hostname = hostname or self.id[:12]
        self.exit_code = exit_code
        self.env = []
        self.lines = []                         # of its log: text, bytes, or (1 for stdout or 2 for stderr, text)
        self.tty = False                        # then its log is one stream without frames
        self.oom_killed = False
        self.restart_count = 0
        self.addresses = ["172.17.0.2"]         # one in each of its networks
        self.command = lambda words: (0, "")    # what is executed in it: words -> (exit code, output)
        now = time.time_ns()
        self.created = now - int((up + 1) * SECOND)
        self.started_at = 0 if state == "created" else now - int(up * SECOND)
        self.finished_at = now - SECOND if state in ("exited", "dead") else 0
        self.lock = threading.Lock()            # one stop or start at a time, as in the engine

    @property
    def short_id(self):
        return self.id[:12]

    @property
    def running(self):
        return self.state in ("running", "paused", "restarting")

    def status_text(self):
        now = time.time_ns()
        up = human_duration((now - self.started_at) / SECOND)
        ago = human_duration((now - self.finished_at) / SECOND)
        if self.state == "paused":
            return f"Up {up} (Paused)"
        if self.state == "restarting":
            return f"Restarting ({self.exit_code}) {ago} ago"
        if self.state == "running":
            health = "health: starting" if self.health == "starting" else self.health
            return f"Up {up} ({health})" if self.health else f"Up {up}"
        return {"created": "Created", "dead": "Dead", "removing": "Removal In Progress"}.get(
            self.state, f"Exited ({self.exit_code}) {ago} ago")

    def list_item(self, api):
        item = {
            "Id": self.id, "Names": ["/" + self.name], "Image": self.image, "ImageID": "sha256:" + "1" * 64,
            "Command": "sleep 1000", "Created": self.created // SECOND, "Ports": [], "Labels": self.labels,
            "State": self.state, "Status": self.status_text(), "HostConfig": {"NetworkMode": self.network_mode},
            "NetworkSettings": {"Networks": {"bridge": {"IPAMConfig": None, "NetworkID": "2" * 64,
                                                        "IPAddress": "172.17.0.2"}}}, "Mounts": [],
        }
        if api >= (1, 52):
            item["Health"] = {"Status": self.health or "none", "FailingStreak": self.streak}
        return item

    def podman_list_item(self):
        """Podman's list has no word on health, and members of its own."""
        item = self.list_item((1, 41))
        item["Status"] = re.sub(r" \((un)?healthy\)| \(health: starting\)", "", item["Status"])
        return {**item, "Name": "", "Config": None, "NetworkingConfig": None, "Platform": None, "AdjustCPUShares": False}

    def log_stream(self):
        """Its log as the engine sends it: each line a frame (stream, three zeros, length), those of a terminal bare."""
        out = []
        for line in self.lines:
            stream, text = line if isinstance(line, tuple) else (1, line)
            text = text if isinstance(text, bytes) else text.encode() + b"\n"
            out += [text] if self.tty else [bytes((stream, 0, 0, 0)), len(text).to_bytes(4, "big"), text]
        return b"".join(out)

    def inspect(self, shift=0):
        state = {
            "Status": self.state, "Running": self.running, "Paused": self.state == "paused",
            "Restarting": self.state == "restarting", "OOMKilled": self.oom_killed, "Dead": self.state == "dead",
            "Pid": 4242 if self.running else 0, "ExitCode": self.exit_code, "Error": "",
            "StartedAt": rfc3339(self.started_at and self.started_at + shift),
            "FinishedAt": rfc3339(self.finished_at and self.finished_at + shift),
        }
        if self.health:
            state["Health"] = {"Status": self.health, "FailingStreak": self.streak, "Log": self.log[-5:]}
        config = {"Hostname": self.hostname, "Image": self.image, "Labels": self.labels, "Cmd": ["sleep", "1000"],
                  "Env": ["PATH=/bin", *self.env]}
        if self.has_healthcheck:
            config["Healthcheck"] = {"Test": ["CMD", "true"], "Interval": int(self.interval * SECOND),
                                     "Timeout": int(self.timeout * SECOND),
                                     "StartPeriod": int(self.start_period * SECOND), "Retries": self.retries}
            if not self.retries:
                del config["Healthcheck"]["Retries"]
        if self.stop_timeout is not None:
            config["StopTimeout"] = self.stop_timeout
        return {
            "Id": self.id, "Created": rfc3339(self.created), "Path": "sleep", "Args": ["1000"], "State": state,
            "Image": "sha256:" + "1" * 64, "Name": "/" + self.name, "RestartCount": self.restart_count,
            "HostConfig": {"NetworkMode": self.network_mode, "AutoRemove": self.auto_remove,
                           "RestartPolicy": {"Name": self.restart_policy, "MaximumRetryCount": self.restarts_most}},
            "Config": config, "NetworkSettings": {"IPAddress": "172.17.0.2", "Networks": {
                f"net{i}": {"IPAddress": "" if ":" in address else address,
                            "GlobalIPv6Address": address if ":" in address else ""}
                for i, address in enumerate(self.addresses)}}, "Mounts": [],
        }

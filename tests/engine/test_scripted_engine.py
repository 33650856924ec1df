"""The scripted engine itself: what the other tests rest on."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import urllib.parse

import pytest

import harness
from engine_container import human_duration

pytestmark = pytest.mark.asks_itself


def ask(engine, method, path, **kw):
    return harness.request(engine.socket_path or ("127.0.0.1", engine.port), method, path, **kw)


class Follower:
    """A bare reader of GET /events."""

    def __init__(self, engine, version="v1.51", query=""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(5)
        self.socket.connect(engine.socket_path)
        self.socket.sendall(f"GET /{version}/events{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        while self.file.readline().strip():
            pass

    def read(self):
        size = int(self.file.readline(), 16)
        data = self.file.read(size + 2)[:-2]
        return [json.loads(line) for line in data.splitlines()]


def actions(engine, count, **kw):
    follower = Follower(engine, **kw)
    out = []
    while len(out) < count:
        out += [e["Action"] for e in follower.read()]
    return out


def test_it_answers_version_list_and_inspect(engine):
    web = engine.add("web", labels={"autoheal": "true"}, stop_timeout=7)
    engine.add("old", state="exited", exit_code=137)
    version = ask(engine, "GET", "/version")
    assert version.json()["ApiVersion"] == "1.51" and version.headers["api-version"] == "1.51"
    running = ask(engine, "GET", "/v1.51/containers/json").json()
    assert [c["Names"] for c in running] == [["/web"]] and "Health" not in running[0]
    assert running[0]["Status"] == "Up 5 minutes (healthy)"
    everything = ask(engine, "GET", "/v1.51/containers/json?all=1").json()
    assert {c["Status"] for c in everything} == {"Up 5 minutes (healthy)", "Exited (137) 1 second ago"}
    filters = urllib.parse.quote(json.dumps({"label": ["autoheal=true"]}))
    assert len(ask(engine, "GET", f"/v1.51/containers/json?all=1&filters={filters}").json()) == 1
    for name in ("web", web.id, web.id[:9]):
        inspect = ask(engine, "GET", f"/v1.51/containers/{name}/json").json()
        assert inspect["Config"]["StopTimeout"] == 7 and inspect["State"]["Health"]["Status"] == "healthy"
    gone = ask(engine, "GET", "/v1.51/containers/nope/json")
    assert (gone.status, gone.json()) == (404, {"message": "No such container: nope"})


def test_it_refuses_versions_as_dockerd_does(make_engine):
    engine = make_engine(api="1.52", min_api="1.44", version="29.0.0")
    engine.add("web")
    old, new = ask(engine, "GET", "/v1.43/containers/json"), ask(engine, "GET", "/v1.53/containers/json")
    assert old.status == new.status == 400
    assert old.json()["message"].startswith("client version 1.43 is too old. Minimum supported API version is 1.44")
    assert new.json()["message"].startswith("client version 1.53 is too new. Maximum supported")
    assert ask(engine, "GET", "/v1.52/containers/json").json()[0]["Health"] == {"Status": "healthy", "FailingStreak": 0}


@pytest.mark.parametrize("version,order", [
    ("28.5.2", ["kill", "stop", "die", "start", "restart"]),
    ("20.10.24", ["kill", "die", "stop", "start", "restart"]),
])
def test_a_restart_brings_the_events_in_the_engines_order(make_engine, version, order):
    engine = make_engine(version=version)
    web = engine.add("web", heals_after=None)
    follower = Follower(engine)
    engine.wait_stream()
    assert ask(engine, "POST", "/v1.51/containers/web/restart?t=3").status == 204
    events = [follower.read()[0] for _ in order]
    assert [e["Action"] for e in events] == [e["status"] for e in events] == order
    assert events[0]["Actor"]["ID"] == events[0]["id"] == web.id and web.health == "starting"
    assert engine.restarts(web)[0].query == {"t": "3"}


def test_podman_speaks_its_own_way(make_engine):
    engine = make_engine(flavour="podman", version="4.3.1", api="1.41")
    engine.add("web", heals_after=None)
    follower = Follower(engine, "v1.41")
    engine.wait_stream()
    assert ask(engine, "POST", "/v1.41/containers/web/restart?t=-1").status == 400
    assert ask(engine, "POST", "/v1.99/containers/web/restart").status == 204
    assert [follower.read()[0]["Action"] for _ in range(5)] == ["restart", "stop", "die", "init", "start"]
    listed = ask(engine, "GET", "/v1.41/containers/json").json()[0]
    assert listed["Status"].startswith("Up ") and "(" not in listed["Status"] and "Health" not in listed
    engine.sicken(engine.find("web"))
    event = follower.read()[0]
    assert (event["Action"], event["HealthStatus"]) == ("health_status", "unhealthy")


def test_podman_filters_by_its_own_words_and_kills_without_t(make_engine):
    engine = make_engine(flavour="podman", version="4.3.1", api="1.41")
    web = engine.add("web", stop_seconds=0.2)
    follower = Follower(engine, "v1.41", "?filters=" + urllib.parse.quote(json.dumps({"event": ["die", "start"]})))
    both = Follower(engine, "v1.41", "?filters=" + urllib.parse.quote(json.dumps({"event": ["died"]})))
    engine.wait_stream(2)
    for query, code in (("", "137"), ("?t=5", "143")):
        assert ask(engine, "POST", f"/v1.41/containers/{web.id}/restart{query}").status == 204
        died = both.read()[0]
        assert (died["Action"], died["Actor"]["Attributes"]["exitCode"]) == ("die", code)
        assert follower.read()[0]["Action"] == "start"


def test_manners_of_versions(make_engine):
    """Content type and the moment of the stream's head; members that nobody knows."""
    new = make_engine(api="1.54", min_api="1.40", version="29.3.0", strange=True)
    new.add("web")
    assert ask(new, "GET", "/v1.54/events?until=1").headers["content-type"] == "application/jsonl"
    assert "Zeitgeist" in ask(new, "GET", "/version").json()
    assert "Zeitgeist" in ask(new, "GET", "/v1.54/containers/json").json()[0]
    assert "Zeitgeist" in ask(new, "GET", "/v1.54/containers/nope/json").json()
    old = make_engine(api="1.40", min_api="1.12", version="19.03.15")
    web = old.add("web")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(old.socket_path)
        s.sendall(b"GET /v1.40/events HTTP/1.1\r\nHost: x\r\n\r\n")
        old.wait_stream()
        s.settimeout(0.3)
        with pytest.raises(TimeoutError):
            s.recv(1)
        old.sicken(web)
        s.settimeout(5)
        assert s.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_since_replays_inclusively_and_filters_hold(make_engine):
    engine = make_engine(api="1.52")
    web = engine.add("web", labels={"autoheal": "true"})
    engine.event("exec_create: true", web)
    engine.pause(web)
    first = engine.ring[1]
    engine.unpause(web)
    engine.sicken(web)
    filters = urllib.parse.quote(json.dumps({"type": ["container"], "event": ["pause", "unpause", "health_status"]}))
    since = "%d.%09d" % divmod(first["nano"], 10**9)
    assert actions(engine, 3, query=f"?since={since}&filters={filters}") == \
        ["pause", "unpause", "health_status: unhealthy"]
    late = Follower(engine, "v1.52", f"?filters={filters}")
    harness.wait(lambda: any(s.request.version == "1.52" for s in engine.streams), what="the second stream")
    engine.set_health(web, "healthy")
    event = late.read()[0]
    assert event["Action"] == "health_status: healthy" and not {"id", "status", "from"} & set(event)


def test_faults(engine):
    web = engine.add("web")
    engine.fault("POST", "/restart", status=500, body={"message": "boom"}, times=1)
    assert ask(engine, "POST", "/v1.51/containers/web/restart").status == 500
    assert ask(engine, "POST", "/v1.51/containers/web/restart").status == 204
    engine.fault("GET", "/json", cuts=range(1, 400), pause=0)
    assert ask(engine, "GET", "/v1.51/containers/web/json").json()["Id"] == web.id
    engine.stop(keep_path=True)
    with pytest.raises(ConnectionRefusedError):
        ask(engine, "GET", "/version")
    engine.start()
    assert ask(engine, "GET", "/version").status == 200


def test_it_speaks_tls(make_engine, pki):
    """Who comes without the right certificate asks nothing; of the others the handshake is on record."""
    ca = pki.authority()
    engine = make_engine(tcp=True, tls=pki.context(pki.server("DNS:localhost", by=ca), clients=ca))
    client = pki.client(by=ca)

    def connect(**kw):
        context = ssl.create_default_context(cafile=ca.pem)
        if kw:
            context.load_cert_chain(**kw)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        return context.wrap_socket(socket.create_connection(("127.0.0.1", engine.port), 5), server_hostname="localhost",
                                   suppress_ragged_eofs=False)
    with pytest.raises(OSError):
        connect()
    refused = engine.wait_link(lambda link: link.error)
    assert "certificate" in refused.error and not refused.shaken
    with connect(certfile=client.pem, keyfile=client.key) as first:
        spare = engine.wait_spare()
        assert (spare.client, spare.sni) == ("client", "localhost") and spare.suite.startswith("TLSv1.2 ECDHE-ECDSA-")
        first.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert engine.link_of(engine.wait_request("GET", "/version")) is spare and not spare.idle
        assert first.recv(4096).startswith(b"HTTP/1.1 200")
        engine.dismiss(spare)
        assert first.recv(4096) == b""          # close_notify
    with connect(certfile=client.pem, keyfile=client.key) as second:
        engine.close_notify = False
        engine.dismiss(engine.wait_spare())
        with pytest.raises(ssl.SSLError):
            second.recv(4096)
    assert len(engine.log) == 1


def test_pause_and_stop_fake_an_unhealthy(engine):
    web, db = engine.add("web"), engine.add("db")
    engine.pause(web)
    engine.stop_by_person(db)
    assert (web.health, web.streak, db.health, db.state) == ("unhealthy", 0, "unhealthy", "exited")
    assert not [e for e in engine.ring if e["action"].startswith("health_status")]


def test_words_of_docker_ps():
    assert [human_duration(s) for s in (0.5, 1, 59, 60, 300, 3600, 7200)] == [
        "Less than a second", "1 second", "59 seconds", "About a minute", "5 minutes", "About an hour", "2 hours"]


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker command")
def test_the_docker_command_gets_along_with_it(engine):
    """The real client, so that what we test against is no fantasy of ours."""
    engine.add("web", labels={"autoheal": "true"})
    def docker(*args):
        return subprocess.run(["docker", "-H", engine.url, *args], capture_output=True, text=True, check=True, timeout=20)
    assert "Up 5 minutes (healthy)" in docker("ps").stdout
    assert docker("restart", "web").stdout == "web\n"
    since = "%.9f" % ((engine.ring[0]["nano"] - 1000) / 1e9)
    out = docker("events", "--since", since, "--until", "2000000000", "--filter", "event=die", "--format", "{{.Action}}")
    assert out.stdout == "die\n"
    assert docker("inspect", "-f", "{{.State.Health.Status}}", "web").stdout.strip() in ("starting", "healthy")


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker command")
def test_the_docker_command_gets_along_with_its_tls(make_engine, pki):
    ca = pki.authority()
    engine = make_engine(tcp=True, tls=pki.context(pki.server("IP:127.0.0.1", by=ca), clients=ca))
    engine.add("web", labels={"autoheal": "true"})
    folder = pki.folder("client", ca, pki.client(by=ca))
    env = {**os.environ, "DOCKER_HOST": engine.url, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
    done = subprocess.run(["docker", "ps"], env=env, capture_output=True, text=True, check=True, timeout=20)
    assert "Up 5 minutes (healthy)" in done.stdout

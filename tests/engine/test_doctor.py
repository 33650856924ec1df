"""`autoheal doctor`: what it finds in a good setup and in those that people get wrong, and that it changes nothing."""
import json
import os
import pty
import re
import socket
import subprocess

import pytest

import harness
from name_server import NameServer, need_namespaces
from receiver import Receiver
from steps import LABEL

ALL_RIGHTS = {("GET", "json"), ("POST", "restart"), ("POST", "start"), ("POST", "stop"), ("POST", "kill"), ("GET", "logs")}


class Finding(dict):
    def __getattr__(self, name):
        return self[name]


@pytest.fixture
def doctor(tmp_path):
    """doctor(engine, **settings): the findings of --json, after a look at the lines and the exit code of both forms."""
    def run(engine=None, **settings):
        settings.setdefault("DOCKER_HOST", getattr(engine, "url", engine))
        settings.setdefault("AUTOHEAL_DATA_DIR", tmp_path)
        done = harness.run("doctor", "--json", timeout=40, **settings)
        answer = json.loads(done.stdout)
        found = [Finding(f) for f in answer["findings"]]
        bad = [f for f in found if f.status == "problem"]
        assert answer["problems"] == len(bad) and done.returncode == (1 if bad else 0) and not done.stderr
        assert {f.status for f in found} <= {"ok", "note", "problem"}
        assert all(set(f) == {"status", "check", "host", "container", "message"} for f in found)
        lines = harness.run("doctor", timeout=40, **settings)
        assert lines.returncode == done.returncode and lines.stdout.count("\n") == len(found) + 1
        assert "\x1b" not in lines.stdout
        assert lines.stdout.endswith(f"{len(bad)} to mend\n" if bad else "All is well\n")
        return found
    return run


def of(found, check, status=None):
    return [f for f in found if f.check == check and status in (None, f.status)]


def problem(found, check, *words):
    """The one problem there is: of this check, with these words."""
    bad = [f for f in found if f.status == "problem"]
    assert len(bad) == 1 and bad[0].check == check, bad
    for word in words:
        assert word in bad[0].message, (word, bad[0].message)
    return bad[0]


def test_all_is_well(engine, doctor):
    web = engine.add("web", labels=LABEL)
    engine.add("plain")
    with Receiver() as post:
        found = doctor(engine, AUTOHEAL_INCLUDE="inc*", AUTOHEAL_NOTIFY=post.url())
        assert not post.log
    assert not of(found, "healer") and not of(found, "label") and not [f for f in found if f.status != "ok"]
    connected, = of(found, "engine")
    assert connected.host == "local" and all(w in connected.message for w in (engine.url, "Docker 28.5.2", "API 1.51"))
    why, count = of(found, "watched")
    assert why.container == "web" and "has the label autoheal=true" in why.message and "1 of 2" in count.message
    assert len(of(found, "rights", "ok")) == len(of(found, "storage", "ok")) == 1
    # nothing was asked of a container that there is but to be shown
    assert not [r for r in engine.posts() if web.id in r.path or not r.path.startswith("/containers/_")]
    assert {(r.method, r.path.rsplit("/", 1)[1]) for r in engine.log if "/containers/_" in r.path} == ALL_RIGHTS


def test_it_needs_no_service_and_disturbs_none(engine, autoheal, doctor):
    engine.add("web", labels=LABEL)
    ah = autoheal(engine)
    events = ah.events()
    doctor(engine)
    assert ah.events() == events


def test_who_is_watched_and_why(engine, doctor):
    engine.add("one", labels=LABEL)
    engine.add("incognito")
    engine.add("never", labels={"autoheal": "false"})
    engine.add("away", labels=LABEL, state="exited")
    found = doctor(engine, AUTOHEAL_INCLUDE="inc*")
    why = {f.container: f.message for f in of(found, "watched") if f.container}
    assert set(why) == {"one", "incognito", "away"}
    assert "AUTOHEAL_INCLUDE names it" in why["incognito"] and "from its next start on" in why["away"]
    assert not of(found, "label") and "3 of 4" in of(found, "watched")[-1].message


def test_nobody_is_watched(engine, doctor):
    """A note with the way to it, and no failure: containers may come later."""
    engine.add("plain")
    found = doctor(engine)
    said = " ".join(f.message for f in of(found, "watched", "note"))
    assert "0 of 1" in said and "autoheal=true" in said and "docker run -l" in said


def test_many_watched_are_counted(engine, doctor):
    for i in range(130):
        engine.add(f"c{i}", labels=LABEL)
    found = of(doctor(engine), "watched")
    assert len(found) == 101 and "130 of 130" in found[-1].message


@pytest.mark.parametrize("labels", [{"Autoheal": "true"}, {"AUTOHEAL": "TRUE"}, {"autoheal": "True"}, {"autoheal": "yes"},
                                    {"autoheal": ""}, {"autoheal": "true "}, {" autoheal": "true"}])
def test_near_misses(engine, doctor, labels):
    engine.add("web", labels=labels)
    (key, value), = labels.items()
    found = problem(doctor(engine), "label", f"'{key}={value}'", "not exactly autoheal=true", "not watched")
    assert found.container == "web"


def test_a_near_miss_of_no(engine, doctor):
    """With `all`, autoheal=False leaves it watched."""
    engine.add("web", labels={"autoheal": "False"})
    engine.add("fine", labels={"autoheal": "false"})
    problem(doctor(engine, AUTOHEAL_CONTAINER_LABEL="all"), "label", "'autoheal=False'", "not exactly autoheal=false", "it is watched")


def test_a_label_of_ones_own(engine, doctor):
    engine.add("web", labels={"Heal": "me"})
    engine.add("other", labels={"autoheal": "True"})
    problem(doctor(engine, AUTOHEAL_CONTAINER_LABEL="heal", AUTOHEAL_LABEL_VALUE="me"), "label", "'Heal=me'", "heal=me")


@pytest.mark.parametrize("entry", ["autoheal=true", "AUTOHEAL=true"])
def test_a_label_given_as_environment(engine, doctor, entry):
    web = engine.add("web")
    web.env = ["SECRET=hunter2", entry]
    found = doctor(engine)
    problem(found, "label", "'web'", "in its environment", "make it a label")
    assert "hunter2" not in str(found)


def test_a_label_that_cannot_be_read(engine, doctor):
    engine.add("web", labels={**LABEL, "autoheal.cooldown": "soon"})
    problem(doctor(engine), "label", "autoheal.cooldown=soon", "the default holds")


def test_without_a_healthcheck(engine, doctor):
    """Crashes are still seen; where the settings leave those alone too, nothing would ever be done."""
    engine.add("web", labels=LABEL, healthcheck=False)
    found = doctor(engine)
    note, = of(found, "healthcheck")
    assert note.status == "note" and note.container == "web" and "only its crashes" in note.message
    problem(doctor(engine, AUTOHEAL_RESTART_MODE="health"), "healthcheck", "'web'", "nothing will ever be done")
    engine.add("probed", labels={**LABEL, "autoheal.check.tcp": "80"}, healthcheck=False)
    assert [f.container for f in of(doctor(engine), "healthcheck")] == ["web"]


def test_podman_says_it_in_inspect(make_engine, doctor):
    engine = make_engine(flavour="podman", version="4.3.1", api="1.41")
    engine.add("good", labels=LABEL)
    engine.add("bare", labels=LABEL, healthcheck=False)
    found = doctor(engine)
    assert "Podman 4.3.1" in of(found, "engine")[0].message
    assert [f.container for f in of(found, "healthcheck")] == ["bare"]


@pytest.mark.parametrize("image", ["willfarrell/autoheal:latest", "docker.io/willfarrell/autoheal", "qmcgaw/deunhealth:v1"])
def test_another_healer(engine, doctor, image):
    engine.add("medic", image=image)
    found = problem(doctor(engine), "healer", "'medic'", image, "Stop one")
    assert found.container == "medic"


def test_no_other_healer(engine, doctor):
    """Our own image, be it the service beside this run, and one that does not run."""
    engine.add("ours", image="autoheal:latest", labels={"org.opencontainers.image.title": "autoheal"})
    engine.add("old", image="willfarrell/autoheal", state="exited")
    assert not of(doctor(engine), "healer")


# ---- engines that cannot be used

def test_no_socket(tmp_path, doctor):
    problem(doctor(f"unix://{tmp_path}/nope.sock"), "engine", "does not exist", "-v /var/run/docker.sock")


def test_nobody_answers(doctor):
    problem(doctor(f"tcp://127.0.0.1:{harness.free_port()}"), "engine", "nobody answers")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_socket_without_permission(make_engine, open_folder):
    """The sentence has the group that is needed; with it, all is well."""
    engine = make_engine(socket_path=open_folder / "docker.sock")
    os.chown(engine.socket_path, 0, 12345)
    os.chmod(engine.socket_path, 0o660)
    program = open_folder / "autoheal"
    program.write_bytes(harness.binary().read_bytes())
    program.chmod(0o755)

    def run(groups):
        return subprocess.run([program, "doctor", "--json"], env=harness.clean_environment(DOCKER_HOST=engine.url), user=65534,
                              group=65534, extra_groups=groups, capture_output=True, timeout=30)

    done = run([])
    assert done.returncode == 1
    message = [f["message"] for f in json.loads(done.stdout)["findings"] if f["status"] == "problem"]
    assert len(message) == 1 and all(w in message[0] for w in ("no permission", "gid 12345", "--group-add 12345", "uid 65534"))
    assert run([12345]).returncode == 0


@pytest.mark.parametrize("method, path, right", [
    ("POST", "restart", "ALLOW_RESTARTS=1"), ("POST", "start", "ALLOW_START=1"), ("GET", "json", "CONTAINERS=1"),
    ("POST", "exec", "EXEC=1")])
def test_a_proxy_that_forbids_what_is_needed(engine, doctor, method, path, right):
    engine.add("web", labels={**LABEL, "autoheal.check.exec": "true"}, healthcheck=False)
    engine.fault(method, f"^/containers/_[^/]*/{path}$", status=403, body=b"Forbidden\n")
    problem(doctor(engine), "rights", f"forbids {path.replace('json', 'inspect')} (403), without which no", right)


@pytest.mark.parametrize("method, path", [("POST", "stop"), ("POST", "kill"), ("GET", "logs")])
def test_a_proxy_that_forbids_what_is_of_use(engine, doctor, method, path):
    engine.fault(method, f"/{path}$", status=403, body=b"Forbidden\n")
    note, = of(doctor(engine), "rights")
    assert note.status == "note" and "403" in note.message and f"forbids {path}" in note.message


def test_a_proxy_that_forbids_almost_everything(engine, doctor):
    """All that is missing is told at once."""
    engine.fault("POST", "", status=403, body=b"Forbidden\n")
    engine.fault("GET", "^/events", status=403, body=b"Forbidden\n")
    bad = [f.message for f in doctor(engine) if f.status == "problem"]
    assert len(bad) == 3 and "EVENTS=1" in bad[0] and "restart" in bad[1] and "start" in bad[2]
    engine.fault("GET", "", status=403, body=b"Forbidden\n")
    bad = [f.message for f in doctor(engine) if f.status == "problem"]
    assert len(bad) == 1 and "VERSION=1" in bad[0]


def test_an_answer_that_is_none(engine, doctor):
    engine.fault("POST", "/restart$", status=500, body={"message": "out of order"})
    problem(doctor(engine), "rights", "500", "out of order")
    engine.fault("POST", "/restart$", garbage=b"")
    problem(doctor(engine), "rights", "restart", "no answer")


def test_the_wrong_authority(pki, make_engine, doctor):
    ca, other = pki.authority(), pki.authority("other")
    engine = make_engine(tcp=True, tls=pki.context(pki.server("IP:127.0.0.1", by=other), clients=ca))
    folder = pki.folder("client", ca, pki.client(by=ca))
    problem(doctor(engine, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=folder), "engine", "ca.pem did not sign")
    (folder / "key.pem").unlink()
    problem(doctor(engine, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=folder), "engine", "key.pem", str(folder))
    pki.fill(folder, other, pki.client(by=ca))
    found = doctor(engine, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=folder)
    assert not [f for f in found if f.status == "problem"]


def test_an_engine_too_old(make_engine, doctor):
    engine = make_engine(version="1.11.2", api="1.23", min_api="1.12")
    engine.add("web", labels=LABEL)
    problem(doctor(engine), "engine", "too old", "1.23", "1.24")


def test_a_pinned_version(make_engine, doctor):
    problem(doctor(make_engine(min_api="1.44"), DOCKER_API_VERSION="1.40"), "engine", "too old", "unset DOCKER_API_VERSION")


@pytest.mark.first
def test_an_engine_that_is_silent(make_engine, doctor):
    """The next one's turn comes all the same."""
    mute, good = make_engine(), make_engine()
    mute.fault("GET", "^/events", black_hole=True)
    mute.fault("GET", "^/containers/json", black_hole=True)
    found = doctor(AUTOHEAL_HOSTS=f"mute={mute.url},good={good.url}")
    bad = problem(found, "engine", "did not answer within 15 s")
    assert bad.host == "mute" and [f.host for f in of(found, "rights", "ok")] == ["good"]


def test_several_engines_are_told_apart(make_engine):
    one, two = make_engine(), make_engine()
    one.add("web", labels=LABEL)
    done = harness.run("doctor", AUTOHEAL_HOSTS=f"nas={one.url},attic={two.url}")
    assert done.returncode == 0
    assert re.search("^ok      nas: 'web' is watched", done.stdout, re.M) and re.search("^note    attic: 0 of 0", done.stdout, re.M)


# ---- the data folder

def test_the_data_folder(engine, doctor, tmp_path):
    note, = of(doctor(engine, AUTOHEAL_DATA_DIR=""), "storage")
    assert note.status == "note" and "AUTOHEAL_DATA_DIR" in note.message
    problem(doctor(engine, AUTOHEAL_DATA_DIR=tmp_path / "none"), "storage", "No such file", f"{tmp_path}/none", "mount a volume")
    (tmp_path / "file").write_text("")
    problem(doctor(engine, AUTOHEAL_DATA_DIR=tmp_path / "file"), "storage", "Not a directory")


def test_who_is_told(engine, doctor):
    """Each target is connected to, the heartbeat's too, and nothing is sent."""
    note, = of(doctor(engine), "notices", "note")
    assert "nobody is told" in note.message
    with Receiver() as post, Receiver() as beat:
        found = doctor(engine, AUTOHEAL_NOTIFY=f"{post.url('/secret')} ntfy://{post.place}/secret?scheme=http",
                       AUTOHEAL_HEARTBEAT_URL=beat.url("/secret"))
        assert not post.log and not beat.log
    count, *each = [f.message for f in of(found, "notices", "ok")]
    assert count.startswith("2 are told") and "notify-test" in count and "secret" not in str(found)
    assert sorted(each) == ["http://127.0.0.1 can be reached"] * 2 + ["ntfy://127.0.0.1 can be reached"]


def test_a_target_that_refuses(engine, doctor):
    """Nobody listens there; the way out of it; the next target is tried all the same."""
    with Receiver() as post:
        found = doctor(engine, AUTOHEAL_NOTIFY=f"http://127.0.0.1:{harness.free_port()}/secret {post.url()}")
    problem(found, "notices", "http://127.0.0.1 cannot be told: Connection refused", "network_mode: none")
    assert len(of(found, "notices", "ok")) == 2 and "secret" not in str(found)
    found = doctor(engine, AUTOHEAL_HEARTBEAT_URL=f"http://127.0.0.1:{harness.free_port()}/secret")
    problem(found, "notices", "Connection refused")


def test_a_target_whose_name_nobody_knows(engine, tmp_path):
    need_namespaces()
    with NameServer() as names:
        done = subprocess.run([*names.wrapper(tmp_path), str(harness.binary()), "doctor", "--json"], capture_output=True, timeout=30,
                              env=harness.clean_environment(DOCKER_HOST=engine.url, AUTOHEAL_NOTIFY="discord://secret@1 https://hook.test/x"))
    bad = [f["message"] for f in json.loads(done.stdout)["findings"] if f["status"] == "problem"]
    assert done.returncode == 1 and len(bad) == 2
    assert all("its name has no address" in b and "DNS" in b for b in bad) and b"secret" not in done.stdout


@pytest.mark.parametrize("case, words", [
    ("foreign", ["did not sign", "AUTOHEAL_CA_FILE must hold the authority"]), ("expired", ["expired", "needs another one"]),
    ("name", ["is for other.example", "needs another one"]),
    ("plain", ["does not speak TLS"]), ("good", [])])
def test_the_certificate_of_a_target(pki, engine, doctor, case, words):
    """The handshake is made to its end, and nothing sent."""
    ca = pki.authority()
    server = pki.server("DNS:other.example" if case == "name" else "IP:127.0.0.1", by=pki.authority("other") if case == "foreign" else ca,
                        **({"start": -20, "end": -10} if case == "expired" else {}))
    (pki.root / "ca.crt").write_text(ca.text())
    with Receiver(tls=None if case == "plain" else pki.context(server)) as post:
        found = doctor(engine, AUTOHEAL_NOTIFY=f"https://{post.place}/secret", AUTOHEAL_CA_FILE=pki.root / "ca.crt")
        assert not [r for r in post.log if case != "plain"]
    if words:
        problem(found, "notices", "https://127.0.0.1 cannot be told", *words)
    else:
        assert [f.message for f in of(found, "notices", "ok")][1:] == ["https://127.0.0.1 can be reached"]


@pytest.mark.first
def test_a_target_that_hangs(engine, doctor):
    """It takes the connection and then says nothing: TLS gives up after 10 s, and the rest is checked."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        found = doctor(engine, AUTOHEAL_NOTIFY=f"https://127.0.0.1:{deaf.getsockname()[1]}/x")
    problem(found, "notices", "cannot be told")
    assert of(found, "rights", "ok")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_data_folder_of_somebody_else(open_folder):
    program, folder = open_folder / "autoheal", open_folder / "data"
    program.write_bytes(harness.binary().read_bytes())
    program.chmod(0o755)
    folder.mkdir(mode=0o755)
    env = harness.clean_environment(DOCKER_HOST="unix:///nope", AUTOHEAL_DATA_DIR=folder)
    done = subprocess.run([program, "doctor"], env=env, user=65534, group=65534, extra_groups=[], capture_output=True, timeout=30)
    assert done.returncode == 1
    assert re.search(rf"problem The data folder {folder} cannot be written: Permission denied.*uid 0.*uid 65534", done.stdout.decode())
    assert not list(folder.iterdir())


# ---- how it is said

def test_foreign_text_is_made_safe(engine):
    engine.add("x\x1b[2J\ny\u202e", labels={"Autoheal": "true\x07"})
    done = harness.run("doctor", DOCKER_HOST=engine.url)
    assert done.returncode == 1
    assert not set("\x1b\x07\u202e") & set(done.stdout) and "x\\x1b[2J\\x0ay\\u{202e}" in done.stdout


@pytest.mark.parametrize("plain", [None, "", "1"])
def test_colours_on_a_terminal(engine, plain):
    """Only there, and not with NO_COLOR."""
    ours, theirs = pty.openpty()
    env = harness.clean_environment(DOCKER_HOST=engine.url, NO_COLOR=plain)
    process = subprocess.Popen([str(harness.binary()), "doctor"], env=env, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:             # the other side is closed
        pass
    os.close(ours)
    assert process.wait(20) == 0 and not process.stderr.read()
    process.stderr.close()
    assert (b"\x1b[32mok" in said) is (plain != "1") and b"All is well" in said


def test_json_without_a_limit(engine):
    """A long answer comes whole: every near miss is in it."""
    for i in range(600):
        engine.add(f"container-{i:04}-with-a-longer-name", labels={"Autoheal": "true"})
    done = harness.run("doctor", "--json", DOCKER_HOST=engine.url, timeout=60)
    answer = json.loads(done.stdout)
    assert answer["problems"] == len([f for f in answer["findings"] if f["check"] == "label"]) == 600
    assert len([f for f in answer["findings"] if "more closely" in f["message"]]) == 1


def test_arguments(engine):
    for args in (["--jso"], ["--json", "more"], ["web"]):
        done = harness.run("doctor", *args, DOCKER_HOST=engine.url)
        assert done.returncode == 64 and "one argument too many" in done.stderr and f"'{args[-1]}'" in done.stderr
    done = harness.run("doctor", DOCKER_HOST=engine.url, AUTOHEAL_INTERVAL="soon")
    assert done.returncode == 64 and "AUTOHEAL_INTERVAL" in done.stderr and not done.stdout
    assert "doctor" in harness.run("--help").stdout

"""Notices: what arrives, what is tried again, what is told of refusals, and that nothing of it holds up a heal."""
import pathlib
import re
import time

import pytest

import harness
from name_server import NameServer, need_namespaces
from receiver import Receiver
from steps import LABEL, QUICK, fence, healed, sick_and_healed

SECRET = "s3cr3t-t0k3n-of-th3-h00k"


@pytest.fixture
def post():
    with Receiver() as receiver:
        yield receiver


def no_secret(ah, *secrets):
    for secret in secrets or (SECRET,):
        assert secret not in ah.log(), ah.log()


# ---- what arrives

def test_one_notice_when_it_opens_and_one_when_it_ends(engine, autoheal, post):
    """Cause and outcome, and the audit event's own members."""
    web = engine.add("web", labels=LABEL, heals_after=0.3)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(f"/{SECRET}"))
    sick_and_healed(engine, ah, web)
    post.wait(2)
    fence(engine, ah)
    assert post.titles() == ["web: restart", "web: recovered"]
    first, last = (r.json() for r in post.log)
    assert first["event_type"] == "restart" and first["container_id"] == web.id and first["status"] == "success"
    assert "Cause: unhealthy" in first["text"] and "Cause: unhealthy" in last["text"]
    assert last["event_type"] == "recovered" and last["duration_ms"] > 0 and last["incident"] == first["incident"]
    assert post.log[0].path == f"/{SECRET}" and post.log[0].method == "POST"
    assert post.log[0].headers["Content-Type"] == "application/json"
    no_secret(ah)
    assert SECRET not in ah.get("/api/config", token=True).text


def test_what_lies_between_is_not_told(engine, autoheal, post):
    """Two restarts, the first of which did not help, and the quarantine: the first and the end."""
    web = engine.add("web", labels=LABEL, heals_after=None)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(), AUTOHEAL_COOLDOWN="0", AUTOHEAL_BACKOFF="false",
                  AUTOHEAL_RECOVERY_TIMEOUT="1", AUTOHEAL_MAX_RESTARTS="2")
    for count in (1, 2):
        engine.sicken(web)
        ah.wait_event("restart", "web", count=count)
    engine.sicken(web)
    ah.wait_event("quarantine", "web", timeout=15)
    assert len(ah.events("not_recovered", "web")) == 2 and len(ah.events("restart", "web")) == 2
    post.wait(2)
    fence(engine, ah)
    assert post.titles() == ["web: restart", "web: quarantine"]
    assert "Cause: unhealthy" in post.log[1].json()["text"]


def test_the_events_that_are_listed(engine, autoheal, post):
    """AUTOHEAL_NOTIFY_EVENTS; an unknown kind ends the start."""
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(), AUTOHEAL_NOTIFY_EVENTS="recovered, auto_monitor")
    sick_and_healed(engine, ah, web)
    post.wait(2)
    assert post.titles() == ["web: auto monitor", "web: recovered"]
    done = harness.run(DOCKER_HOST=engine.url, AUTOHEAL_NOTIFY=post.url(), AUTOHEAL_NOTIFY_EVENTS="restart,lunch")
    assert done.returncode == 64 and "'lunch'" in done.stderr


def test_all_kinds(engine, autoheal, post):
    engine.add("web", labels=LABEL)
    autoheal(engine, AUTOHEAL_NOTIFY=post.url(), AUTOHEAL_NOTIFY_EVENTS="all")
    post.wait(2)
    assert set(post.titles()) == {"local: engine connected", "web: auto monitor"}


def test_a_container_that_is_muted(engine, autoheal, post):
    """autoheal.notify=false is about its own container only; the audit events stand all the same."""
    quiet = engine.add("quiet", labels={**LABEL, "autoheal.notify": "false"}, heals_after=0.1)
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url())
    sick_and_healed(engine, ah, quiet)
    sick_and_healed(engine, ah, web)
    post.wait(2)
    fence(engine, ah)
    assert post.titles() == ["web: restart", "web: recovered"]


def test_from_the_fourth_incident_in_an_hour_on(engine, autoheal, post):
    """Three are told whole, the fourth with a count, and then there is silence; another container is told of."""
    web, other = (engine.add(n, labels=LABEL, heals_after=0.05) for n in ("web", "other"))
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(), **QUICK, AUTOHEAL_RECOVERY_TIMEOUT="1",
                  AUTOHEAL_NOTIFY_EVENTS="restart,recovered")
    for count in range(1, 7):
        sick_and_healed(engine, ah, web, count)
    sick_and_healed(engine, ah, other)
    post.wait(9)
    fence(engine, ah)
    assert post.titles() == ["web: restart", "web: recovered"] * 3 + ["web: restart", "other: restart", "other: recovered"]
    assert "4 incidents of it in the last hour" in post.log[6].json()["text"]


def test_the_engine_comes_and_goes(engine, autoheal, post):
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url())
    fence(engine, ah)
    engine.stop()
    told = post.wait(1).json()
    assert told["title"] == "local: engine lost" and told["event_type"] == "engine_lost"


# ---- hostile text

def test_what_an_engine_says_stays_data(make_engine, autoheal, post):
    """Quotes, line ends, escapes, marks of direction and bytes that are no text, in the engine's words: sound JSON
    arrives, made safe, and nobody is mentioned."""
    engine = make_engine()
    web = engine.add("web", labels=LABEL)
    words = 'a "quoted"\\ line\nnext \x1b[31m \u202e @everyone <!channel> \u00ff'
    engine.fault("POST", ".*/restart", status=500, body={"message": words}, times=1)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(), WEBHOOK_URL=post.url("/willfarrell"))
    engine.sicken(web)
    post.wait(2)
    for got in post.log:
        text = got.json()["text"]
        assert "\x1b" not in text and "\u202e" not in text and "\\x1b[31m" in text and "\\u{202e}" in text
        assert '"quoted"' in text and "@everyone" in text
    willfarrell = next(r for r in post.log if r.path == "/willfarrell").json()
    assert list(willfarrell) == ["text"]
    assert ah.events("restart", "web")


def test_willfarrells_variables(engine, autoheal, post):
    """WEBHOOK_URL with its key, APPRISE_URL; an address without a scheme, as curl takes it."""
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = autoheal(engine, WEBHOOK_URL=f"127.0.0.1:{post.port}/hook?key={SECRET}", WEBHOOK_JSON_KEY="content",
                  APPRISE_URL=post.url("/notify/apprise"))
    sick_and_healed(engine, ah, web)
    post.wait(4)
    hooks = [r for r in post.log if r.path == f"/hook?key={SECRET}"]
    assert hooks[0].json()["content"].startswith("web: restart\n") and list(hooks[0].json()) == ["content"]
    apprise = [r.json() for r in post.log if r.path == "/notify/apprise"]
    assert [(a["title"], a["type"]) for a in apprise] == [("web: restart", "warning"), ("web: recovered", "success")]
    no_secret(ah)


def test_a_wrong_target(engine, autoheal, post):
    """It ends the start without a word of its secret; of willfarrell's variables it is a warning."""
    for url in (f"discord://{SECRET}", f"foo://{SECRET}@x", f"telegram://1:{SECRET}@telegram", f"https://{SECRET}@"):
        done = harness.run(DOCKER_HOST=engine.url, AUTOHEAL_NOTIFY=url)
        assert done.returncode == 64 and "AUTOHEAL_NOTIFY" in done.stderr and len(done.stderr.splitlines()) == 1
        assert SECRET not in done.stderr
    ah = autoheal(engine, WEBHOOK_URL=f"ftp://{SECRET}/x")
    ah.wait_log("WARNING.*WEBHOOK_URL")
    no_secret(ah)


# ---- refusals, retries, limits

def test_refused(engine, autoheal, post):
    """A 4xx is not tried again; the log has the status and the first line of the answer, and nothing secret of it."""
    post.answers = [(400, {}, b'{"message": "Cannot send an empty message", "code": 50006}'),
                    (404, {}, b"Cannot POST /hook/" + SECRET.encode() + b"\nsecond line"),
                    (302, {"Location": "http://127.0.0.1:1/"}, b""), (403, {}, b"<html><body>no</body></html>")]
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(f"/hook/{SECRET}"), **QUICK)
    sick_and_healed(engine, ah, web)
    sick_and_healed(engine, ah, web, 2)
    post.wait(4)
    ah.wait_log(r"WARNING - A notice was refused by http://127\.0\.0\.1: 400, Cannot send an empty message$")
    ah.wait_log(r"refused by http://127\.0\.0\.1: 404, Cannot POST /hook/\*+$")
    ah.wait_log(r"refused by http://127\.0\.0\.1: 302, a redirect, which is not followed$")
    ah.wait_log(r"refused by http://127\.0\.0\.1: 403, it sent an HTML page")
    fence(engine, ah)
    assert len(post.log) == 4
    no_secret(ah)


def test_too_many_requests(engine, autoheal, post):
    """429: again after Retry-After, the same notice, and the next one after it."""
    post.answers = [(429, {"Retry-After": "3"}, b'{"message": "You are being rate limited."}')]
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url())
    sick_and_healed(engine, ah, web)
    post.wait(3)
    assert post.titles() == ["web: restart", "web: restart", "web: recovered"]
    assert 2.9 < post.log[1].time - post.log[0].time < 4.5
    ah.wait_log(r"not taken by http://127\.0\.0\.1: 429, You are being rate limited\.; it is tried again in 3 s")
    ah.wait_log("INFO - A notice was taken by http://127.0.0.1 again")


@pytest.mark.parametrize("what", [(503, {}, b"busy"), (500, {}, b""), (200, {"Transfer-Encoding": "chunked"}, b"nonsense")])
def test_a_server_in_trouble(engine, autoheal, post, what):
    post.answers = [what]
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url())
    sick_and_healed(engine, ah, web)
    post.wait(3)
    assert post.titles() == ["web: restart", "web: restart", "web: recovered"]
    assert post.log[1].time - post.log[0].time > 1.9


def test_success_may_say_anything(engine, autoheal, post):
    """Slack answers `ok`, others HTML, or an empty 200."""
    post.answers = [(200, {"Content-Type": "text/plain"}, b"ok"), (200, {}, b"<html>thanks</html>"), (201, {}, b"")]
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(), **QUICK)
    sick_and_healed(engine, ah, web)
    sick_and_healed(engine, ah, web, 2)
    post.wait(4)
    fence(engine, ah)
    assert len(post.log) == 4 and not ah.log_lines("not taken|refused")


@pytest.mark.alone
def test_a_heal_does_not_wait_for_a_receiver_that_hangs(engine, autoheal, post):
    """Twenty restarts while every request hangs: each is asked for at once; one request at a time to each target, the
    queue is bounded, and what was dropped is told once."""
    post.always = "hang"
    many = [engine.add(f"c{i:02}", labels=LABEL, heals_after=0.1) for i in range(20)]
    ah = autoheal(engine, AUTOHEAL_NOTIFY=f"{post.url('/a')},{post.url('/b')}", AUTOHEAL_STORM="off")
    fence(engine, ah)
    for container in many:
        start = time.monotonic()
        engine.sicken(container)
        assert engine.wait_restart(container).time - start < 0.2
    for container in many:
        ah.wait_event("recovered", container.name)
    assert post.most == 2 and len(post.log) == 2
    assert len(ah.log_lines(r"WARNING - More than 16 notices wait for http://127\.0\.0\.1")) == 2
    start = time.monotonic()
    assert ah.stop() == 0 and time.monotonic() - start < 5


def test_what_waits_at_the_end_is_sent(engine, autoheal, post):
    """SIGTERM while a restart is under way: it is drained, and told to a receiver that takes its time; then autoheal ends."""
    web = engine.add("web", labels=LABEL, stop_seconds=0.7)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url())
    post.delay = 0.4
    engine.sicken(web)
    engine.wait_restart(web)
    assert ah.stop() == 0
    assert post.titles()[0] == "web: restart" and not ah.log_lines("not sent")


@pytest.mark.parametrize("case, most", [("hangs", 4.5), ("gone", 2), ("no drain", 2)])
def test_what_cannot_be_sent_at_the_end_is_told(engine, autoheal, post, case, most):
    """A receiver that hangs has 3 s of AUTOHEAL_DRAIN; one that failed lately has none; and what is not sent is told."""
    post.always = "hang" if case != "gone" else (500, {}, b"")
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(), AUTOHEAL_DRAIN="0" if case == "no drain" else "8")
    sick_and_healed(engine, ah, web)
    post.wait(1)
    if case == "gone":
        ah.wait_log("not taken by http://127.0.0.1: 500")
    start = time.monotonic()
    assert ah.stop() == 0
    took = time.monotonic() - start
    assert took < most and (took > 2.5 or case != "hangs")
    ah.wait_log(r"WARNING - 2 notices for http://127\.0\.0\.1 are not sent: autoheal ends")


@pytest.mark.first
def test_no_answer_in_time(engine, autoheal, post):
    post.answers = ["hang"]
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url())
    sick_and_healed(engine, ah, web)
    ah.wait_log(r"not taken by http://127\.0\.0\.1: no answer in time; it is tried again in 2 s", timeout=20)
    post.wait(3)
    assert post.titles()[:2] == ["web: restart"] * 2


def test_nobody_there_at_first(engine, autoheal):
    """The receiver starts later than autoheal: the notices arrive all the same, in order."""
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    port = harness.free_port()
    ah = autoheal(engine, AUTOHEAL_NOTIFY=f"http://127.0.0.1:{port}/")
    sick_and_healed(engine, ah, web)
    ah.wait_log(r"not taken by http://127\.0\.0\.1: Connection refused; it is tried again in 2 s")
    with Receiver(port=port) as post:
        post.wait(2)
        assert post.titles() == ["web: restart", "web: recovered"]


# ---- names

def test_by_name(engine, autoheal, post, tmp_path):
    """Resolved as engines are; several addresses are tried one after another."""
    need_namespaces()
    with NameServer() as names:
        names.zone["hook.home.test"] = ["127.0.0.9", "127.0.0.1"]
        web = engine.add("web", labels=LABEL, heals_after=0.1)
        ah = autoheal(engine, wrapper=names.wrapper(tmp_path),
                      AUTOHEAL_NOTIFY=f"http://hook.home.test:{post.port}/x http://gone.home.test/y")
        sick_and_healed(engine, ah, web)
        assert post.wait(2).headers["Host"] == f"hook.home.test:{post.port}"
        ah.wait_log(r"not taken by http://gone\.home\.test: its name has no address")


# ---- TLS

@pytest.fixture
def ca(pki):
    return pki.authority()


def tls_receiver(pki, ca, *names, **kw):
    return Receiver(tls=pki.context(pki.server(*(names or ("IP:127.0.0.1",)), by=ca, **kw)))


def bundle(pki, ca, system=True):
    """A file of many authorities, with ours near its end."""
    path = pki.root / "bundle.pem"
    many = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    path.write_text((many.read_text() if system and many.exists() else "") + ca.text() + pki.authority("other").text())
    return path


@pytest.mark.parametrize("key", ["P-256", "P-384", "RSA-2048"])
def test_over_tls(pki, ca, engine, autoheal, key):
    """With a chain through an authority between, found in a bundle of all the web's."""
    root = pki.authority("root", key=key)
    between = pki.authority("between", by=root)
    with tls_receiver(pki, between) as post:
        web = engine.add("web", labels=LABEL, heals_after=0.1)
        ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(f"/{SECRET}"), AUTOHEAL_CA_FILE=bundle(pki, root))
        sick_and_healed(engine, ah, web)
        post.wait(2)
        assert post.titles() == ["web: restart", "web: recovered"]
        no_secret(ah)


@pytest.mark.parametrize("case,words", [
    ("foreign", "bundle.pem did not sign the server's certificate"),
    ("name", r"the server's certificate is for other\.example; not for 127\.0\.0\.1"),
    ("expired", "the server's certificate expired on"),
    ("itself", "bundle.pem did not sign the server's certificate"),
    ("missing", "nowhere.pem cannot be read: No such file"),
])
def test_a_server_that_is_not_trusted(pki, ca, engine, autoheal, case, words):
    """Nothing is sent to it; the log says why, and it is tried again."""
    by = pki.authority("stranger") if case == "foreign" else None if case == "itself" else ca
    kw = {"start": -20, "end": -10} if case == "expired" else {}
    file = pki.root / "nowhere.pem" if case == "missing" else bundle(pki, ca)
    with tls_receiver(pki, by, "DNS:other.example" if case == "name" else "IP:127.0.0.1", **kw) as post:
        web = engine.add("web", labels=LABEL, heals_after=0.1)
        ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(), AUTOHEAL_CA_FILE=file)
        sick_and_healed(engine, ah, web)
        ah.wait_log(rf"A notice was not taken by https://127\.0\.0\.1: .*{words}.*; it is tried again in 2 s")
        fence(engine, ah)
        assert not post.log
        if case == "missing":
            ah.wait_log("WARNING - AUTOHEAL_CA_FILE .*nowhere.pem cannot be read")


def test_a_certificate_that_is_trusted_itself(pki, engine, autoheal):
    """A self-signed one may stand in the file."""
    own = pki.server("IP:127.0.0.1", by=None)
    with Receiver(tls=pki.context(own)) as post:
        web = engine.add("web", labels=LABEL, heals_after=0.1)
        ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(), AUTOHEAL_CA_FILE=bundle(pki, own))
        sick_and_healed(engine, ah, web)
        post.wait(2)


def test_plain_where_tls_is_meant(engine, autoheal, post):
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = autoheal(engine, AUTOHEAL_NOTIFY=f"https://{post.place}/x")
    sick_and_healed(engine, ah, web)
    ah.wait_log(r"not taken by https://127\.0\.0\.1: what answers there does not speak TLS")


# ---- heartbeat

def test_heartbeat(engine, autoheal, post):
    """A GET after every audit that succeeded; none while the engine is away."""
    ah = autoheal(engine, AUTOHEAL_HEARTBEAT_URL=post.url(f"/ping/{SECRET}?a=b"), AUTOHEAL_INTERVAL="1")
    post.wait(3)
    assert {(r.method, r.path, r.body) for r in post.log} == {("GET", f"/ping/{SECRET}?a=b", b"")}
    assert len(engine.requests("GET", "^/containers/json$")) >= 3
    engine.stop()
    harness.wait(lambda: not ah.get("/api/status").json()["docker_connected"], what="the loss")
    count = len(post.log)
    time.sleep(1.5)
    assert len(post.log) <= count + 1
    no_secret(ah)


def test_heartbeat_that_fails(engine, autoheal, post):
    """Told once, not at each audit; and no notice waits for it."""
    post.always = (500, {}, b"down")
    ah = autoheal(engine, AUTOHEAL_HEARTBEAT_URL=post.url(), AUTOHEAL_INTERVAL="1")
    post.wait(3)
    assert len(ah.log_lines("A heartbeat was not taken")) == 1
    post.always = (200, {}, b"")
    ah.wait_log("INFO - A heartbeat was taken by http://127.0.0.1 again")


# ---- POST_RESTART_SCRIPT

def program(folder, text, name="after.sh"):
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_script(engine, autoheal, tmp_path):
    """Name, short id, state, stop timeout; one at a time; its exit code in the log."""
    out = tmp_path / "out"
    script = program(tmp_path, f'#!/bin/sh\necho "$# $1 $2 $3 $4" >> {out}\n[ "$1" = web ]\n')
    web = engine.add("web", labels={**LABEL, "autoheal.stop.timeout": "7"}, heals_after=0.1)
    job = engine.add("job", labels=LABEL, heals_after=0.1, stop_timeout=20, stop_seconds=0.5)
    ah = autoheal(engine, POST_RESTART_SCRIPT=script)
    sick_and_healed(engine, ah, web)
    ah.wait_log("INFO - POST_RESTART_SCRIPT for 'web' ended with exit code 0")
    sick_and_healed(engine, ah, job)
    ah.wait_log("WARNING - POST_RESTART_SCRIPT for 'job' ended with exit code 1")
    assert out.read_text().splitlines() == [f"4 web {web.id[:12]} running 7", f"4 job {job.id[:12]} running 20"]


def test_script_holds_up_nothing(engine, autoheal, tmp_path):
    script = program(tmp_path, "#!/bin/sh\nsleep 3\n")
    many = [engine.add(f"c{i:02}", labels=LABEL, heals_after=0.1) for i in range(20)]
    ah = autoheal(engine, POST_RESTART_SCRIPT=script, AUTOHEAL_STORM="off")
    engine.sicken(*many)
    for container in many:
        healed(engine, ah, container, timeout=3)
    ah.wait_log("POST_RESTART_SCRIPT is not run for 'c.*': 16 runs wait already")
    assert len(ah.log_lines("is not run for")) == 4
    assert ah.stop() == 0


@pytest.mark.parametrize("case,words", [
    ("missing", r"cannot be run: No such file or directory"), ("mode", r"cannot be run: Permission denied"),
    ("shell", r"it needs /nowhere/sh, which is not here; in an image without a shell it must be a static program")])
def test_script_that_cannot_run(engine, autoheal, tmp_path, case, words):
    """A warning at the start that names it; heals go on."""
    path = tmp_path / "after.sh"
    if case != "missing":
        program(tmp_path, "#! /nowhere/sh -e\n" if case == "shell" else "#!/bin/sh\n")
    if case == "mode":
        path.chmod(0o644)
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    ah = autoheal(engine, POST_RESTART_SCRIPT=path)
    ah.wait_log(rf"WARNING - POST_RESTART_SCRIPT {re.escape(str(path))} .*{words}")
    sick_and_healed(engine, ah, web)
    ah.wait_log("POST_RESTART_SCRIPT for 'web' ended with exit code 127, as a program does that cannot be run")


# ---- notify-test

def test_notify_test(post):
    """One message to each target, an answer for each, without any engine."""
    post.answers = [(403, {}, b"forbidden " + SECRET.encode())]
    with Receiver() as other:
        done = harness.run("notify-test", DOCKER_HOST="unix:///nowhere", WEBHOOK_URL=other.url("/b"),
                           AUTOHEAL_NOTIFY=f"{post.url('/' + SECRET)} http://127.0.0.1:1/{SECRET}")
    assert done.returncode == 1 and SECRET not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and len(post.log) == len(other.log) == 1
    assert sum(line.startswith("ok ") for line in lines) == 1
    assert any("403, forbidden " + "*" * len(SECRET) in line for line in lines) and any("Connection refused" in line for line in lines)
    assert post.log[0].json()["title"] == "autoheal: test" and other.log[0].json()["text"].startswith("autoheal: test")
    done = harness.run("notify-test", AUTOHEAL_NOTIFY=post.url())
    assert done.returncode == 0 and done.stdout == "ok     http://127.0.0.1: 204\n"


def test_notify_test_without_a_target():
    done = harness.run("notify-test")
    assert done.returncode == 1 and "AUTOHEAL_NOTIFY" in done.stderr


# ---- memory

@pytest.mark.alone
def test_nothing_is_held_of_the_bundle(pki, ca, engine, autoheal):
    """While four targets hang in TLS, the private memory grows by little; without targets nothing is allocated."""
    if "san" in str(harness.binary()):
        pytest.skip("the sanitizers' memory is not ours")

    def private(ah):
        return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{ah.pid}/status").read_text()).group(1))
    web = engine.add("web", labels=LABEL, heals_after=0.1)
    plain = autoheal(engine)
    fence(engine, plain)
    before = private(plain)
    plain.stop()
    with tls_receiver(pki, ca) as post:
        post.always = "hang"
        ah = autoheal(engine, AUTOHEAL_NOTIFY=post.url(), AUTOHEAL_CA_FILE=bundle(pki, ca))
        sick_and_healed(engine, ah, web)
        post.wait(1)
        fence(engine, ah)
        grown = private(ah) - before
    print(f"{before} KiB without a target, {grown} more while sending")
    assert grown <= 100

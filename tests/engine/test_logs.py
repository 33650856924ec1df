"""The log and all that is said: its lines to the letter, foreign text that stays text, secrets that stay secret, and a
stderr that nobody reads."""
import base64
import fcntl
import json
import os
import re
import subprocess
import urllib.parse

import pytest

import harness
from name_server import NameServer, need_namespaces
from receiver import Receiver
from steps import LABEL, QUICK, TIMESTAMP, fence, sick_and_healed

# What a terminal obeys or a reader is fooled by: controls, C1, soft hyphen, marks of direction, zero widths.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
EVIL = "x\x1b[2J\x07\x9b31m\u202e\u2066\u2069\u200f\u061c\xad\"\\<b>%s\r\ny"
SAFE = "x\\x1b[2J\\x07\\x9b31m\\u{202e}\\u{2066}\\u{2069}\\u{200f}\\u{61c}\\xad\"\\<b>%s\\x0d\\x0ay"


def strings(value):
    """All strings of a JSON value, names of members included."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return [s for v in value for s in strings(v)]
    return [value] if isinstance(value, str) else []


def sound(text):
    """JSON that may be shown on a terminal as it is; the value."""
    assert not UNSAFE.search(text), UNSAFE.search(text)
    return json.loads(text)


# ---- its lines

def story(engine, autoheal, **settings):
    """What the lines are about: one label at the start, one later, one that is excluded."""
    engine.add("web", labels=LABEL)
    ah = autoheal(engine, AUTOHEAL_EXCLUDE="never", AUTOHEAL_LOG_LEVEL="debug", **settings)
    app = engine.start_container("my-app", labels=LABEL)
    ah.wait_event("auto_monitor", "my-app")
    never = engine.start_container("never", labels=LABEL)
    ah.wait_log("is in excluded list")
    ah.stop()
    said = [
        ("monitor", "INFO", "Event listener started for auto-monitoring containers with autoheal=true label"),
        ("monitor", "DEBUG", f"Container start event detected: my-app ({app.short_id})"),
        ("monitor", "INFO", f"✓ Auto-monitoring enabled for container 'my-app' ({app.short_id}) - detected autoheal=true label"),
        ("monitor", "INFO", f"Container 'never' ({never.short_id}) has autoheal=true but is in excluded list, skipping"),
        ("autoheal", "INFO", "Stopped"),
    ]
    return ah, said


def test_text_lines(engine, autoheal):
    """time - module - LEVEL - message, each of them a line."""
    ah, said = story(engine, autoheal)
    lines = [re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - ([a-z]+) - (DEBUG|INFO|WARNING|ERROR) - (.+)", line)
             for line in ah.log().splitlines()]
    assert all(lines)
    assert [line.groups() for line in lines if line.groups() in said] == said


def test_json_lines(engine, autoheal):
    """One object a line, with four members; UTC whatever TZ says; the warnings about settings too."""
    ah, said = story(engine, autoheal, AUTOHEAL_LOG_FORMAT="json", TZ="ABC-9", AUTOHEAL_NOSUCH="1")
    lines = [sound(line) for line in ah.log().splitlines()]
    assert all(list(line) == ["time", "module", "level", "message"] and re.fullmatch(TIMESTAMP, line["time"]) for line in lines)
    told = [(line["module"], line["level"], line["message"]) for line in lines]
    assert [line for line in told if line in said] == said
    assert ("config", "WARNING", "AUTOHEAL_NOSUCH is no setting of autoheal; `autoheal --help` names them all") in told
    event = ah.log_lines("Auto-monitoring enabled for container 'my-app'")
    assert event[0].startswith('{"time":"20')
    assert abs(harness.time.time() - harness.time.mktime(harness.time.strptime(lines[-1]["time"][:19], "%Y-%m-%dT%H:%M:%S"))
               + harness.time.timezone) < 60


@pytest.mark.parametrize("level, least", [("debug", 0), ("INFO", 1), ("Warning", 2), ("ERROR", 3)])
def test_levels(engine, autoheal, level, least):
    names = ["DEBUG", "INFO", "WARNING", "ERROR"]
    web = engine.add("web", labels={**LABEL, "autoheal.cooldown": "soon"})
    ah = autoheal(engine, AUTOHEAL_LOG_LEVEL=level)
    sick_and_healed(engine, ah, web)
    engine.stop()
    ah.wait_log("Reconnect|cannot|lost", timeout=2) if least < 3 else None
    ah.stop()
    seen = {line.split(" - ")[2] for line in ah.log().splitlines()}
    assert seen <= set(names[least:]) and set(names[least:3]) <= seen


# ---- foreign text

@pytest.mark.parametrize("form", ["text", "json"])
def test_foreign_text_stays_text(engine, autoheal, form):
    """A name, labels, a probe's output, log lines, the engine's refusal and an outside monitor's word of the worst kind:
    in the log, on the command line and in notices all of it is escaped, and JSON is sound everywhere."""
    web = engine.add(EVIL, labels={**LABEL, "autoheal.cooldown": "so\x1b]0;on\u202e", f"com.{EVIL}": EVIL + "\ud800",
                                   "autoheal.monitor": "kuma"}, stop_seconds=1)
    near = engine.add("n\x1b[2J\u202e", labels={"Autoheal": "true\x07\x9b"})
    web.lines = [b"\xff\xfe\x1b[2J\xc3 \xed\xa0\x80 " + EVIL.encode() + b"\n"]
    engine.fault("POST", "/restart$", before=1, status=500, body=b'{"message":"' + b"\xff\x1b[31m\xe2\x80\xae\xc2\x9b\\ud800\\u001b" + b'"}', times=1)
    with Receiver() as post:
        post.answers = [(403, {}, b"no \x1b[2J\xff" + EVIL.encode())]
        places = [post.url("/generic"), f"ntfy://{post.place}/topic?scheme=http", f"gotify://{post.place}/a-token?disableTLS=yes",
                  f"apprise://{post.place}/key"]
        settings = {**QUICK, "AUTOHEAL_LOG_LEVEL": "DEBUG", "AUTOHEAL_NOTIFY": " ".join(places), "WEBHOOK_URL": post.url("/hook"),
                    "APPRISE_URL": post.url("/apprise"), "AUTOHEAL_NOTIFY_EVENTS": "all"}
        ah = autoheal(engine, AUTOHEAL_LOG_FORMAT=form, **settings)
        engine.sicken(web, output=EVIL + "\ud83d")
        harness.wait(lambda: {"restart", "recovered"} <= {e["event_type"] for e in ah.events()}, 10, "the heal")
        if ah.post("/api/verdicts", {"container": "kuma", "status": "down", "reason": EVIL + "\udc00"}).status == 202:
            harness.wait(lambda: "verdict" in {e["event_type"] for e in ah.events()}, what="the verdict")
        post.wait(12)
        fence(engine, ah)
        notices = [r.json() for r in post.log]
        spoken = [ah.command("explain", web.id[:12]), ah.command("explain", "no\x1b[2J\u202e"), ah.command("health"),
                  ah.command("doctor", AUTOHEAL_NOTIFY=""), ah.command("notify-test"), ah.command("explain\x1b[2J"),
                  ah.command("health", AUTOHEAL_INTERVAL="\x1b[2J\u202e"), ah.command("health", "\x1b[2J"),
                  ah.command("doctor", AUTOHEAL_NOTIFY_EVENTS="\x1b[2J\u202e")]
        bare = ah.command("doctor", "--json", AUTOHEAL_NOTIFY="")
    for done in spoken:
        assert not UNSAFE.search(done.stdout + done.stderr), done
    assert SAFE in spoken[0].stdout and SAFE in spoken[3].stdout and "n\\x1b[2J\\u{202e}" in spoken[3].stdout
    assert {f["container"] for f in sound(bare.stdout)["findings"] if f["container"]} >= {EVIL, near.name}
    for path in ("events", "containers", f"containers/{web.id}", f"containers/{web.id}/explain", f"containers/{web.id}/incidents",
                 "config", "status"):
        answer = ah.get(f"/api/{path}", token=True)
        assert answer.status == 200 and sound(answer.text), path
    restarts = ah.events("restart")
    assert restarts[0]["container_name"] == EVIL and "\\x1b[31m\\u{202e}\\x9b" in restarts[0]["message"]
    assert not UNSAFE.search(ah.get("/metrics").text)
    # the incident keeps what was there, and only says it in JSON
    kept = sound(ah.get(f"/api/containers/{web.id}/incidents", token=True).text)[0]["evidence"]
    assert kept["probes"][-1]["output"].startswith(EVIL) and EVIL in kept["log"].replace("\r\n", "\n").replace("\n", "\r\n")
    # notices say it
    for said in notices:
        for text in strings(said):
            assert not UNSAFE.search(text), said
    assert any(SAFE in n.get("title", "") for n in notices) and any("message" in n for n in notices)
    outputs = [n["health_output"] for n in notices if n.get("health_output")]
    assert outputs and all(o.startswith(SAFE) for o in outputs)
    ah.stop()
    log = ah.log_path.read_bytes().decode("utf-8")      # all of it is UTF-8
    if form == "json":
        messages = [sound(line)["message"] for line in log.splitlines()]
        assert any(SAFE in m for m in messages) and not [m for m in messages if UNSAFE.search(m)]
    else:
        assert SAFE in log and not UNSAFE.search(log)
    assert log.count("so\\x1b]0;on") == 1 or form == "json"
    assert "no \\x1b[2J\\xffx" in log.replace("\\\\", "\\")       # what the webhook said


def test_an_engine_that_says_such_things(engine, autoheal):
    """Its errors before anything stands: in the log, and in `health`."""
    engine.fault("GET", "", status=500, body={"message": EVIL})
    ah = autoheal(engine, ready=False)
    ah.wait_log(re.escape(SAFE))
    done = ah.command("health")
    assert done.returncode == 1 and not UNSAFE.search(done.stdout + ah.log())
    sound(ah.get("/health").text)
    sound(ah.get("/api/status").text)


# ---- secrets

def secret(number):
    return f"s3cr3t{number:02}xyzzy"


def refusals(post, *secrets):
    """A receiver whose refusals name all of its secrets: in the first line, at the cut end of it, in JSON and a redirect."""
    named = " ".join(secrets)
    cut = [f"{'.' * (255 - 8)}{s}".encode() for s in secrets]
    post.answers = [(403, {}, named.encode()), (404, {}, json.dumps({"message": named}).encode()),
                    (302, {"Location": f"http://127.0.0.1:1/{named}"}, b""), *((400, {}, body) for body in cut)]
    post.always = (410, {"Location": named}, f"gone: {named}\n{named}".encode())


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_said(engine, autoheal, tmp_path, form):
    """Token and targets of every scheme, through deliveries, refusals, names that nobody knows, the command line and the
    API: nothing recognisable is in any of it."""
    need_namespaces()
    s = [secret(n) for n in range(40)]
    password = "p%40ss" + s[5]
    token = {"AUTOHEAL_API_TOKEN": s[0]} if form == "text" else {"AUTOHEAL_API_TOKEN": None, "AUTOHEAL_API_TOKEN_FILE": tmp_path / "token"}
    (tmp_path / "token").write_text(s[0] + "\n")
    with Receiver() as post, Receiver() as hook, Receiver() as beat, NameServer() as names:
        names.zone.update({name: ["127.0.0.1"] for name in ("discord.com", "hooks.slack.com", "api.telegram.org")})
        basic = base64.b64encode(f"{s[4]}:{urllib.parse.unquote(password)}".encode()).decode()
        refusals(post, s[1], s[2], s[3], s[4], password, urllib.parse.unquote(password), basic)
        refusals(hook, s[6], s[7])
        refusals(beat, s[8])
        targets = [
            f"http://{s[4]}:{password}@{post.place}/{s[1]}/x?key={s[2]}&{s[3]}", f"https://hook.example/{s[9]}?{s[10]}",
            f"discord://{s[11]}@{s[12]}", f"slack://hook:{s[13]}-{s[14]}-{s[15]}@webhook", f"slack://{s[16]}/{s[17]}/{s[18]}",
            f"teams://prod.example/{s[19]}?sig={s[20]}", f"telegram://{s[21]}:{s[22]}@telegram?chats={s[23]}",
            f"ntfy://{s[24]}:{s[25]}@127.0.0.1:1/{s[26]}?scheme=http", f"gotify://127.0.0.1:1/{s[27]}?disableTLS=yes",
            f"pushover://shoutrrr:{s[28]}@{s[29]}?devices={s[30]}", f"apprise://127.0.0.1:1/{s[31]}", f"apprises://127.0.0.1:1/{s[32]}"]
        settings = {"AUTOHEAL_NOTIFY": " ".join(targets), "WEBHOOK_URL": hook.url(f"/{s[6]}?t={s[7]}"),
                    "APPRISE_URL": f"http://127.0.0.1:1/notify/{s[33]}", "AUTOHEAL_HEARTBEAT_URL": beat.url(f"/{s[8]}")}
        web = engine.add("web", labels=LABEL, heals_after=0.1)
        wrapper = names.wrapper(tmp_path)
        ah = autoheal(engine, wrapper=wrapper, AUTOHEAL_LOG_LEVEL="DEBUG", AUTOHEAL_LOG_FORMAT=form, AUTOHEAL_INTERVAL="1",
                      **token, **settings, **QUICK)
        for count in range(1, 6):
            engine.sicken(web)
            harness.wait(lambda: len([e for e in ah.events("recovered", token=s[0])]) == count, 10, "the heal")
        post.wait(6)
        hook.wait(6)
        said = []
        for path in ("api/config", "api/config/export", "api/status", "api/events", "api/containers", "api/containers/web",
                     "api/containers/web/explain", "api/containers/web/incidents", "api/notifications/config", "health", "metrics", "api"):
            for bearer in (False, s[0], "wrong" + s[34]):
                said.append(ah.get("/" + path, token=bearer).text)
        for args in (["doctor"], ["doctor", "--json"], ["explain", "web"], ["health"]):
            done = ah.command(*args)
            said += [done.stdout, done.stderr]
        tested = subprocess.run([*wrapper, str(ah.program), "notify-test"], env=ah.env, capture_output=True, text=True, timeout=60)
        said += [tested.stdout, tested.stderr]
        assert tested.stdout.count("\n") == len(targets) + 2
        ah.stop()
        said.append(ah.log())
        assert "403, *****" in ah.log() and any("autoheal_notifications_total{target=\"http://127.0.0.1\"" in t for t in said)
    for word in [*s, basic, urllib.parse.unquote(password)]:
        for text in said:
            at = text.find(word[:8] if word.startswith("s3cr3t") else word)
            assert at < 0, (word, text[max(at - 200, 0):at + 100])


@pytest.mark.parametrize("name, value", [
    ("AUTOHEAL_NOTIFY", f"discord://{secret(1)}"), ("AUTOHEAL_NOTIFY", f"{secret(1)}://x"), ("AUTOHEAL_NOTIFY", f"https://{secret(1)}@"),
    ("AUTOHEAL_NOTIFY", f"pushover://{secret(1)}@{secret(2)}"), ("AUTOHEAL_NOTIFY", f"telegram://{secret(1)}:{secret(2)}@telegram"),
    ("AUTOHEAL_NOTIFY", f"teams://{secret(1)}"), ("AUTOHEAL_NOTIFY", f"http://x:99999/{secret(1)}"),
    ("DOCKER_HOST", f"tcp://me:{secret(1)}@nas:2375"), ("DOCKER_HOST", f"ssh://{'x' * 110}:{secret(1)}@nas"),
    ("AUTOHEAL_HOSTS", f"nas=tcp://me:{secret(1)}@nas:2375"), ("AUTOHEAL_HOSTS", f"tcp://me:{secret(1)}@nas:2375"),
    ("AUTOHEAL_HEARTBEAT_URL", f"ftp://{secret(1)}@x")])
def test_a_start_that_fails_says_no_secret(engine, name, value):
    for command in ([], ["doctor"], ["notify-test"]) if "HOST" not in name else ([], ["doctor"]):
        done = harness.run(*command, **{"DOCKER_HOST": engine.url, "AUTOHEAL_API_TOKEN": secret(3), name: value})
        assert done.returncode == 64 and len(done.stderr.splitlines()) == 1 and "s3cr3t" not in done.stderr + done.stdout, done


# ---- nobody reads

def test_what_nobody_reads_is_dropped_and_counted(engine, autoheal):
    """stderr is a full pipe: heals go on, lines are dropped and counted; who reads again is told how many."""
    containers = [engine.add(f"web{i}", labels=LABEL) for i in range(3)]
    ah = autoheal(engine, start=False, ready=False, AUTOHEAL_LOG_LEVEL="DEBUG", **QUICK)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    ah._log = open(ah.log_path, "ab")
    ah.process = subprocess.Popen([str(ah.program)], env=ah.env, stderr=writer, stdin=subprocess.DEVNULL)
    os.close(writer)
    ah.wait_ready()

    def dropped():
        return int(re.search(r"^autoheal_log_lines_dropped_total (\d+)$", ah.get("/metrics").text, re.M).group(1))
    assert dropped() == 0
    for i in range(400):
        engine.event("start", containers[i % 3])
    harness.wait(lambda: dropped() > 50, what="lines to be dropped")
    for container in containers:
        sick_and_healed(engine, ah, container)
    count = dropped()
    got = b""
    while b"log lines were dropped" not in got:
        got += os.read(reader, 4096)
    ah.process.terminate()
    while piece := os.read(reader, 4096):
        got += piece
    assert ah.process.wait(10) == 0
    told = sum(int(n) for n in re.findall(rb"- log - WARNING - (\d+) log lines were dropped", got))
    assert told >= count and len(got) < 32768
    assert all(re.match(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - \w+ - [A-Z]+ - .", line) for line in got.splitlines())
    os.close(reader)

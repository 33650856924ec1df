"""The dashboard: what is packed, what its policy allows, and what a browser makes of it."""

import gzip
import html
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

import mock

GZIP_MAX = 16 * 1024
CHROMIUM = shutil.which("chromium")
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
FAULTS = re.compile(r"Content.Security.Policy|Uncaught|Error\b")


# ---- packing

@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    return mock.pack(tmp_path_factory.mktemp("pack") / "page_files.c")


@pytest.fixture(scope="session")
def files(packed):
    return mock.unpack(packed)


def test_packed_files_are_the_sources_without_comments_and_indentation(files):
    assert list(files) == ["/", "/page.css", "/page.js"]
    for source, (_, _, body) in zip(mock.SOURCES, files.values()):
        text = re.sub(r"^\s*/\*.*?\*/$", "", source.read_text(), flags=re.DOTALL | re.MULTILINE)
        if source.suffix == ".js":
            text = re.sub(r"(^|\s)\s*//( [^\"'`\n]*)?$|^\s*//.*$", "", text, flags=re.MULTILINE)
        lines = [line.lstrip() for line in text.splitlines()]
        assert gzip.decompress(body).decode() == "".join(line + "\n" for line in lines if line)
    assert [kind for kind, _, _ in files.values()] == [
        "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"]


def test_packing_keeps_what_only_looks_like_a_comment(tmp_path):
    source = tmp_path / "a.js"
    source.write_text("\tconst a = 'http://x'; // gone\n\tconst b = ' // \"kept';\n/* gone\n * too */\n\n"
                      "  // gone: it's words\nf(a /* kept */, b);\n")
    ((_, _, body),) = mock.unpack(mock.pack(tmp_path / "out.c", [source])).values()
    assert gzip.decompress(body).decode() == "const a = 'http://x';\nconst b = ' // \"kept';\nf(a /* kept */, b);\n"


def test_packed_page_is_small(files):
    assert sum(len(body) for _, _, body in files.values()) <= GZIP_MAX


def test_packing_is_deterministic(packed, files, tmp_path):
    copies = [shutil.copy(source, tmp_path / source.name) for source in mock.SOURCES]  # other times
    assert mock.pack(tmp_path / "again.c", copies) == packed
    assert len({etag for _, etag, _ in files.values()}) == len(files)


def test_another_file_gets_another_etag(files, tmp_path):
    changed = tmp_path / "page.js"
    changed.write_bytes(mock.SOURCES[2].read_bytes() + b";\n")
    again = mock.unpack(mock.pack(tmp_path / "changed.c", [*mock.SOURCES[:2], changed]))
    assert again["/page.js"][1] != files["/page.js"][1]
    assert again["/page.css"] == files["/page.css"]


def test_packed_source_compiles(packed, tmp_path):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if not compiler:
        pytest.skip("no C compiler here")
    (tmp_path / "page_files.c").write_text(packed)
    subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{mock.TOP}", "-c",
                    tmp_path / "page_files.c", "-o", tmp_path / "page_files.o"], check=True)


@pytest.mark.parametrize("name", ["a b.js", 'a".js', "page.exe"])
def test_packer_refuses_what_it_cannot_name(name, tmp_path):
    (tmp_path / name).write_text("x")
    result = subprocess.run(["sh", mock.TOP / "tools/pack-page.sh", tmp_path / "out.c", tmp_path / name],
                            stderr=subprocess.PIPE, text=True)
    assert result.returncode != 0 and name in result.stderr
    assert not (tmp_path / "out.c").exists()


# ---- the content security policy, read from the sources

class Audit(HTMLParser):
    """Collects what the policy forbids, and every id."""

    def __init__(self):
        super().__init__()
        self.found, self.ids, self.inside = [], [], None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.inside = tag if tag in ("script", "style") else None
        if tag in ("style", "base", "iframe", "object", "embed", "meta") and (tag != "meta" or "http-equiv" in attrs):
            self.found.append(tag)
        for name, value in attrs.items():
            if name.startswith("on") or name in ("style", "action", "formaction", "srcset", "background"):
                self.found.append(f"{tag} {name}")
            if name in ("src", "href") and re.match(r"(\w+:|/)", value) and not value.startswith("data:image/svg+xml,"):
                self.found.append(f"{tag} {name}={value}")
        if "id" in attrs:
            self.ids.append(attrs["id"])

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside and data.strip():
            self.found.append(f"inline {self.inside}")


@pytest.fixture(scope="module")
def audit():
    audit = Audit()
    audit.feed(mock.SOURCES[0].read_text())
    return audit


def test_nothing_inline_and_nothing_from_elsewhere(audit):
    assert audit.found == []
    for source in mock.SOURCES:
        words = source.read_text().replace(SVG_NAMESPACE, "")
        assert not re.search(r"https?:|//[a-z0-9-]+\.[a-z]|@import|\burl\(", words), source.name


def test_script_never_parses_text_as_html():
    script = mock.SOURCES[2].read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bFunction\(|"
                         r"DOMParser|createContextualFragment|'style'", script)


def test_ids_are_unique_and_those_the_script_asks_for_exist(audit):
    assert len(set(audit.ids)) == len(audit.ids)
    asked = set(re.findall(r"\$\('([\w-]+)'\)", mock.SOURCES[2].read_text()))
    assert asked and asked <= set(audit.ids)


# ---- in a browser

@pytest.fixture
def service(files):
    service = mock.Mock(files)
    with mock.Server(service) as address:
        service.address = address
        yield service


@pytest.fixture
def browse(service, tmp_path):
    """browse(*flags, to="#…", width=…): one visit of 6 virtual seconds; the DOM at its end."""
    if os.environ.get("SKIP_REAL") == "1":
        pytest.skip("SKIP_REAL=1: not shown in a real browser")
    if not CHROMIUM:
        pytest.fail("chromium is missing: install it, or say SKIP_REAL=1 to go without a browser")

    def visit(*flags, to="", width=1280, height=1100):
        profile = tmp_path / f"profile{len(list(tmp_path.iterdir()))}"
        profile.mkdir()
        result = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={profile}", "--enable-logging=stderr", "--hide-scrollbars",
             f"--window-size={width},{height}", "--virtual-time-budget=6000", *flags, service.address + to],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=True)
        said = [line for line in result.stderr.splitlines() if "CONSOLE" in line and FAULTS.search(line)]
        assert said == []
        return result.stdout

    return visit


def play(service, browse, script, **how):
    """Runs script (the body of an async function) beside the page; what it returns."""
    service.extra_script = """
        const $ = (id) => document.getElementById(id);
        const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
        const row = (name) => [...document.querySelectorAll('#container-rows tr')]
            .find((tr) => tr.querySelector('.name').textContent === name);
        const until = async (what) => {
            for (let i = 0; i < 50; i++, await sleep(50))
                if (what()) return;
            throw new Error(`waited in vain for ${what}`);
        };
        const report = document.createElement('output');
        report.id = 'report';
        (async () => { await until(() => row('web') && $('event-items').firstElementChild); %s })()
            .catch((e) => ({fault: String(e)}))
            .then((value) => { report.textContent = JSON.stringify(value); document.body.append(report); });
    """ % script
    found = re.search(r'<output id="report">(.*?)</output>', browse("--dump-dom", **how), re.S)
    assert found, "the script did not come to its end"
    return json.loads(html.unescape(found[1]))


def test_containers_and_events_appear(browse):
    dom = browse("--dump-dom")
    for words in ("web", "worker", "quarantined", "hands off", "verifying", "not watched", "healthy is awaited until then",
                  "1.51", "unix:///var/run/docker.sock", "Not recovered", "Released", "exit code 137", "Healthy again",
                  "Connected to Docker 28.5.1"):
        assert words in dom, words
    assert len(re.findall(r'<tr role="row">|<tr role="row" class', dom.partition('id="container-rows"')[2].partition("</tbody>")[0])) == 10
    assert re.search(r'<time [^>]*datetime="[^"]+"[^>]*>(in )?\d+ (s|min|h)', dom)


def test_foreign_text_stays_text(browse):
    dom = browse("--dump-dom")
    assert "<title>autoheal</title>" in dom
    assert html.escape(mock.SCRIPT, quote=False) in dom
    assert mock.SCRIPT not in dom and "<img" not in dom and "<b>" not in dom


def test_screenshot_is_drawn(browse, tmp_path):
    for scheme, name in enumerate(("dark", "light")):
        picture = tmp_path / f"{name}.png"
        browse(f"--screenshot={picture}", f"--blink-settings=preferredColorScheme={scheme}")
        assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20000


@pytest.mark.parametrize("width", [320, 360, 768, 961, 1280, 1900])
def test_nothing_sticks_out(service, browse, width):
    service.frame = f"""<iframe src="/" width="{width}" height="900" frameborder="0"></iframe><script>
        setInterval(() => {{
            const page = frames[0].document;
            if (page.getElementById("container-rows")?.children.length)
                document.body.dataset.wide = [page.documentElement.clientWidth, page.documentElement.scrollWidth,
                    [...page.querySelectorAll("main *:not(thead, thead *)")].filter((n) => n.getBoundingClientRect().right > {width}).length];
        }}, 200);</script>"""
    wide = re.search(r'data-wide="(\d+),(\d+),(\d+)"', browse("--dump-dom", to="frame"))
    assert wide
    client, scroll, outside = map(int, wide.groups())
    assert client <= width and scroll <= client and outside == 0


def test_updates_keep_the_nodes(service, browse):
    same = play(service, browse, """
        const before = row('web');
        const first = $('event-items').firstElementChild;
        before.querySelector('button').focus();
        await sleep(4500);
        return [row('web') === before, $('event-items').firstElementChild === first,
                document.activeElement === before.querySelector('button')];
    """)
    assert same == [True, True, True]
    asked = [path for _, path, _, _ in service.requests]
    assert asked.count("/api/containers?include_stopped=true") >= 2
    assert asked.count("/api/events?limit=200") == 1  # nothing happened: the rest asked for the newest only


HOSTS_SEEN = """
    const rows = [...document.querySelectorAll('#container-rows tr')].filter((tr) => tr.querySelector('.name').textContent === 'web');
    await until(() => $('engines').children.length);
    const engines = [...$('engines').children].map((e) => e.querySelector('[data-f="host"]').textContent);
    const onHost = () => [...$('event-items').querySelectorAll('[data-f="facts"]')].map((n) => n.textContent.match(/on \\S*$/)?.[0] ?? '');
    const type = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event('input')); };
    const seen = [engines, rows.map((tr) => tr.querySelector('[data-f="host"]').textContent), onHost().slice(0, 3)];
    type('container-filter', 'attic'); type('event-filter', 'attic');
    return [...seen, $('container-rows').children.length, onHost()];
"""


def test_several_engines_are_told_apart(service, browse):
    """Rows and events say where they belong to; an event of none of them does not."""
    mock.second_host(service)
    assert play(service, browse, HOSTS_SEEN) == [
        ["local", "attic"], ["attic", "local"], ["", "on attic", "on local"], 1, ["on attic"]]


def test_one_engine_needs_no_name(service, browse):
    engines, hosts, events, _, _ = play(service, browse, HOSTS_SEEN)
    assert engines == ["local"] and hosts == [""] and set(events) == {""}


def test_a_choice_goes_to_the_engine_of_its_row(service, browse):
    """Two containers of one name, and even one id: a copied disk."""
    mock.second_host(service)
    service.containers[-1]["full_id"] = service.containers[0]["full_id"]
    play(service, browse, """
        const rows = [...document.querySelectorAll('#container-rows tr')].filter((tr) => tr.querySelector('.name').textContent === 'web');
        rows[0].querySelector('button').click();
        await until(() => rows[0].classList.contains('faint'));
        return rows[1].classList.contains('faint');
    """, to="#token=" + quote(mock.TOKEN))
    assert [c["monitored"] for c in service.containers if c["name"] == "web"] == [True, False]
    assert [path for method, path, _, _ in service.requests if method == "POST"] == ["/api/containers/select?host=attic"]


def test_filters(service, browse):
    counts = play(service, browse, """
        const count = (id) => $(id).children.length;
        const type = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event('input')); };
        const seen = [count('container-rows')];
        $('only-watched').click(); seen.push(count('container-rows'));
        type('container-filter', 'VALKEY'); seen.push(count('container-rows'));
        $('only-attention').click(); seen.push(count('container-rows'), $('containers-empty').textContent);
        type('event-kind', 'restart'); seen.push(count('event-items'));
        type('event-filter', 'ai'); seen.push(count('event-items'));
        return seen;
    """)
    assert counts == [10, 7, 1, 0, "No container needs attention.", 3, 1]


def test_token_in_the_address_is_taken_once(service, browse):
    found = play(service, browse, """
        return [location.href, sessionStorage.getItem('autoheal-token'), $('token-forget').hidden];
    """, to="#token=" + quote(mock.TOKEN, safe=""))
    assert found == [service.address, mock.TOKEN, False]
    reads = [token for _, path, token, _ in service.requests if path.startswith("/api/")]
    assert reads and set(reads) == {f"Bearer {mock.TOKEN}"}


def test_a_change_asks_for_the_token_until_it_is_right(service, browse):
    found = play(service, browse, """
        const open = () => $('token-dialog').open;
        const give = (value) => { $('token-input').value = value; $('token-form').requestSubmit(); };
        const before = open();
        row('web').querySelector('button').click();
        await until(open);
        const why = $('token-why').textContent;
        give('wrong');
        await until(() => !open());
        await until(open);
        give(%s);
        await until(() => row('web').querySelector('button').textContent === 'Watch');
        return [before, why, open(), row('web').textContent.includes('not watched'), $('notice').textContent];
    """ % json.dumps(mock.TOKEN))
    assert found == [False, "this needs the API token: Authorization: Bearer …", False, True,
                     "web is excluded: autoheal leaves it alone."]
    posts = [(path, token, body["enabled"]) for method, path, token, body in service.requests if method == "POST"]
    select = "/api/containers/select"
    assert posts == [(select, None, False), (select, "Bearer wrong", False), (select, f"Bearer {mock.TOKEN}", False)]


def test_a_change_that_is_cancelled_is_forgotten(service, browse):
    found = play(service, browse, """
        row('web').querySelector('button').click();
        await until(() => $('token-dialog').open);
        $('token-cancel').click();
        await until(() => !row('web').querySelector('button').hasAttribute('aria-disabled'));
        return [row('web').querySelector('button').textContent, $('notice').textContent];
    """)
    assert found == ["Exclude", ""]


def test_a_refused_change_is_told_in_the_words_of_the_api(service, browse):
    words = "no token is configured: set AUTOHEAL_API_TOKEN"
    service.failing["/api/containers/select"] = (403, {"error": words})
    found = play(service, browse, """
        row('web').querySelector('button').click();
        await until(() => $('notice').textContent);
        return [$('token-dialog').open, $('notice').textContent];
    """)
    assert found == [False, f"web: {words}"]


def test_errors_are_told_in_the_words_of_the_api(service, browse):
    service.failing["/api/containers"] = (503, {"error": "no engine is connected"})
    dom = browse("--dump-dom")
    assert re.search(r'id="problems-text">no engine is connected<', dom)
    assert "Healthy again" in dom  # the rest stands


def test_an_unhealthy_service_says_why(service, browse):
    for connected, state in ((False, "engine lost"), (True, "unhealthy")):
        service.failing["/health"] = (503, {
            "status": "unhealthy", "timestamp": mock.stamp(), "docker_connected": connected, "monitoring_active": True,
            "last_audit": None, "engines": [], "reason": "local: permission denied"})
        dom = browse("--dump-dom")
        assert re.search(rf'id="pill"[^>]*data-tone="bad"[^>]*>{state}<', dom)
        assert 'id="reason">local: permission denied<' in dom
        assert f"<title>{state} · autoheal</title>" in dom


def test_silence_is_told_and_asked_again_more_slowly(service, browse):
    for path in ("/health", "/api/status", "/api/containers", "/api/events"):
        service.failing[path] = None
    dom = browse("--dump-dom")
    assert ">no answer<" in dom and "autoheal does not answer." in dom
    asked = [path for _, path, _, _ in service.requests if path == "/api/status"]
    assert 1 <= len(asked) <= 4

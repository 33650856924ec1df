"""The dashboard: what is packed, what its policy allows, and what a browser makes of it."""

import gzip
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

import mock
from browser import BrowserError, row
from harness import wait

GZIP_MAX = 24 * 1024
SCRIPTS = mock.SOURCES[2:]
SVG_NAMESPACE = "http://www.w3.org/2000/svg"


# ---- packing

@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    return mock.pack(tmp_path_factory.mktemp("pack") / "page_files.c")


@pytest.fixture(scope="session")
def files(packed):
    return mock.unpack(packed)


def bare(source):
    """What is left of a source: no comments, no indentation, no imports and exports."""
    text = re.sub(r"^\s*/\*.*?\*/$", "", source.read_text(), flags=re.DOTALL | re.MULTILINE)
    if source.suffix == ".js":
        text = re.sub(r"(^|\s)\s*//( [^\"'`\n]*)?$|^\s*//.*$", "", text, flags=re.MULTILINE)
        text = re.sub(r"^import .*\n|^export ", "", text, flags=re.MULTILINE)
    return "".join(line.lstrip() + "\n" for line in text.splitlines() if line.strip())


def test_packed_files_are_the_sources_without_comments_and_indentation(files):
    assert list(files) == ["/", "/page.css", "/page.js"]
    wanted = [bare(mock.SOURCES[0]), bare(mock.SOURCES[1]), "".join(map(bare, SCRIPTS))]
    assert [gzip.decompress(body).decode() for _, _, body in files.values()] == wanted
    assert [kind for kind, _, _ in files.values()] == [
        "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"]


def test_modules_that_follow_each_other_become_one(tmp_path):
    (tmp_path / "a.js").write_text("export const a = 1;\n")
    (tmp_path / "b.js").write_text("import {a} from './a.js';\nexport function b() {\n\treturn a;\n}\n")
    (tmp_path / "c.css").write_text("b { top: 0 }\n")
    packed = mock.unpack(mock.pack(tmp_path / "out.c", [tmp_path / name for name in ("a.js", "b.js", "c.css")]))
    assert list(packed) == ["/b.js", "/c.css"]
    assert gzip.decompress(packed["/b.js"][2]) == b"const a = 1;\nfunction b() {\nreturn a;\n}\n"


def test_every_module_is_packed_and_every_import_is_there():
    assert sorted(source.name for source in SCRIPTS) == sorted(path.name for path in (mock.TOP / "page").glob("*.js"))
    exported = {source.name: set(re.findall(r"^export (?:async )?(?:const|let|function) ([\w$]+)", source.read_text(), re.M))
                for source in SCRIPTS}
    for source in SCRIPTS:
        for names, module in re.findall(r"^import \{(.*)\} from '\./(.*)';$", source.read_text(), re.M):
            assert set(re.split(r", ?", names)) <= exported[module], (source.name, module)


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
    changed.write_bytes(mock.SOURCES[-1].read_bytes() + b";\n")
    again = mock.unpack(mock.pack(tmp_path / "changed.c", [*mock.SOURCES[:-1], changed]))
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


@pytest.mark.parametrize("source", SCRIPTS, ids=lambda source: source.name)
def test_script_never_parses_text_as_html(source):
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bFunction\(|"
                         r"DOMParser|createContextualFragment|setHTML|srcdoc|'style'|cssText", source.read_text())


def test_ids_are_unique_and_those_the_script_asks_for_exist(audit):
    assert len(set(audit.ids)) == len(audit.ids)
    asked = {name for source in SCRIPTS for name in re.findall(r"\$\('([\w-]+)'\)", source.read_text())}
    assert asked and asked <= set(audit.ids)


# ---- in a browser, against canned answers

TOKEN_HASH = "#token=" + quote(mock.TOKEN, safe="")


@pytest.fixture
def service(files):
    service = mock.Mock(files)
    with mock.Server(service) as address:
        service.address = address
        yield service


@pytest.fixture
def visit(service, opened):
    """visit(to="#…", width=…, dark=…): the page, once it is drawn."""
    def visit(to="", drawn=True, **how):
        page = opened(service.address + to, **how)
        if drawn:
            page.see("#container-rows tr")
            page.see("#event-items li")
            page.wait("document.querySelector('#sections details')")
        return page

    return visit


def shown(page, name):
    page.click(f'{row(name)} button.name')
    page.see("#detail")
    page.wait("!document.querySelector('#detail [data-f=text]').textContent.startsWith('Asking')")


def test_containers_and_events_appear(visit):
    page = visit()
    words = page.text("body")
    for word in ("web", "worker", "quarantined", "hands off", "verifying", "not watched", "healthy is awaited until then",
                 "API 1.51", "unix:///var/run/docker.sock", "Not recovered", "Quarantine", "exit code 137", "Healthy again",
                 "Connected to Docker 28.5.1", "healthy", "Live"):
        assert word in words, word
    assert page.js("document.querySelectorAll('#container-rows tr').length") == 10


def test_every_time_is_relative_with_the_exact_one_on_hover(visit):
    page = visit()
    times = page.js("[...document.querySelectorAll('time[datetime]')].map((n) => [n.textContent, n.title])")
    assert len(times) > 10
    for words, title in times:
        assert re.fullmatch(r"(in )?\d+ (s|min|h|d)( \d+ (s|min|h))?( ago)?|now|just now", words), words
        assert re.search(r"20\d\d.*\d\d:\d\d:\d\d", title), title


def test_history_is_drawn_as_bars(visit):
    page = visit()
    page.wait(f"document.querySelectorAll('.bars i').length >= 3")
    assert page.js("document.querySelector('.bars:not([hidden]) i').title").startswith(("Recovered", "Quarantine", "Not recovered"))
    labels = page.js("[...document.querySelectorAll('.bars:not([hidden])')].map((n) => n.getAttribute('aria-label'))")
    assert sorted(labels) == ["The last 1: 0 recovered, 1 failed", "The last 1: 0 recovered, 1 failed", "The last 1: 1 recovered, 0 failed"]


def test_foreign_text_stays_text(visit):
    page = visit(TOKEN_HASH)
    assert mock.SCRIPT in page.text("#container-rows") and mock.IMAGE in page.text("#container-rows")
    assert mock.SCRIPT in page.text("#event-items")
    shown(page, "web")
    assert mock.SCRIPT in page.text("#detail") and mock.IMAGE in page.text("#detail")
    assert page.js("document.title") == "autoheal"
    assert page.js("document.querySelectorAll('body img, body b, body script').length") == 0


@pytest.mark.parametrize("width", [320, 360, 768, 961, 1280, 1900])
def test_nothing_sticks_out(visit, width):
    page = visit(width=width)
    page.js("document.querySelectorAll('#sections details').forEach((d) => { d.open = true; })")
    outside = "[...document.querySelectorAll('main *:not(thead, thead *)')].filter((n) => n.getBoundingClientRect().right > innerWidth)" \
        ".map((n) => n.outerHTML.slice(0, 80))"
    assert page.js(outside) == []
    assert page.js("document.documentElement.scrollWidth") <= width
    shown(page, mock.SCRIPT)
    assert page.js("document.querySelector('#detail').scrollWidth - document.querySelector('#detail').clientWidth") <= 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(service, visit, width, dark):
    mock.second_host(service)
    service.lost["attic"] = "connection refused"
    page = visit(width=width, dark=dark)
    page.js("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.wait("document.querySelectorAll('.bars i').length")
    assert page.axe() == []
    shown(page, "worker")
    page.press("Escape")
    page.click('button.name:text-is("web") >> nth=-1')
    page.see("#detail-incidents li")
    page.js("document.querySelectorAll('#detail details').forEach((d) => { d.open = true; })")
    assert page.axe() == []
    page.press("Escape")
    page.click("#maintenance")
    page.see("#for-dialog")
    assert page.axe() == []


def test_without_containers_it_says_which_label_to_set(service, visit):
    service.containers, service.events = [], []
    page = visit(drawn=False)
    page.see("#containers-empty >> text=autoheal=true")
    page.see("#events-empty >> text=Nothing has happened yet")
    service.config["monitor"]["label_key"] = "heal.me"
    service.push("config", "changed")
    page.see("#containers-empty >> text=heal.me=true")


def test_keyboard_opens_and_closes_a_container(visit):
    page = visit()
    page.js("document.querySelector('#container-filter').focus()")
    page.press("Tab")
    page.press("Tab")
    assert page.js("document.activeElement.textContent") == "Watch"
    page.press("Tab")
    assert page.js("document.activeElement.textContent") == "api"
    assert page.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("Enter")
    page.see("#detail >> text=verifying")
    page.press("Escape")
    page.gone("#detail")
    assert page.js("document.activeElement.textContent") == "api"


# ---- live

def test_an_event_appears_and_what_it_moved_is_asked_for(service, visit):
    page = visit()
    page.js("window.kept = document.querySelector('#container-rows').children[1]; window.top0 = kept.getBoundingClientRect().top")
    page.requests()
    service.find("api").update(phase="watching", health={"status": "healthy", "failing_streak": 0}, next_action=None)
    service.push("recovered", "healthy", "api", "Healthy again", duration_ms=4321)
    page.see(f"#event-items li >> nth=0 >> text=took 4.3 s")
    page.see(f"{row('api')} >> text=watching")
    assert page.js("kept === document.querySelector('#container-rows').children[1] && kept.getBoundingClientRect().top === top0")
    assert page.js("document.querySelector('#news').textContent") == "api: Recovered, healthy"
    assert page.js(f"document.querySelectorAll('.bars i').length") == 4
    assert sorted(page.requests()) == ["GET /api/containers", "GET /api/status", "GET /health"]


def test_nothing_is_asked_while_the_stream_stands(service, visit):
    """Half an hour passes: no timer of the page asks for anything, and the countdown goes on."""
    for name in ("api", "worker"):
        service.find(name)["next_action"] = None
    page = visit(clock=True)
    page.requests()
    page.run("for (let n = 0; n < 10; n++) { await state.page.clock.fastForward(180000); await state.page.clock.runFor(3000); }")
    assert re.match("in 1[45] min", page.text(f"{row('search')} time"))
    assert page.requests() == []


def test_what_was_due_is_asked_for_once(service, visit):
    """A countdown that ends has moved something, event or not."""
    service.find("api")["next_action"] = None
    service.find("worker")["next_action"]["at"] = mock.stamp(-300)
    page = visit(clock=True)
    page.requests()
    page.run("for (let n = 0; n < 4; n++) { await state.page.clock.fastForward(100000); await state.page.clock.runFor(3000); }")
    wait(lambda: "GET /api/containers" in page.requests(), 5, "the question how things are")


def test_a_stream_that_is_cut_is_resumed_without_loss_or_doubles(service, visit):
    page = visit()
    service.push("skipped", "stopped", "cache", "before the cut")
    page.see("text=before the cut")
    service.failing["/api/events/stream"] = None
    service.cut()
    page.see("#pill >> text=reconnecting")
    last = service.push("skipped", "paused", "cache", "during the cut") - 1
    del service.failing["/api/events/stream"]
    page.see("text=during the cut")
    page.see("#pill >> text=healthy")
    service.push("skipped", "gone", "cache", "after the cut")
    page.see("text=after the cut")
    assert [words.split()[0] for words in page.texts("#event-items li [data-f=message]")[:3]] == ["after", "during", "before"]
    assert service.resumed == [None, str(last)]
    seqs = page.js("[...document.querySelectorAll('#event-items li')].map((n) => n.key)")
    assert seqs == sorted(set(seqs), reverse=True)


def test_an_autoheal_that_has_forgotten_its_past(service, visit):
    """Its events begin anew: those of the one before are gone from the page, and the new ones are not taken for old."""
    page = visit()
    service.events[:] = [{**service.events[0], "seq": 3, "message": "another life"}]
    service.cut()
    page.wait("document.querySelectorAll('#event-items li').length === 1")
    page.see("#event-items >> text=another life")
    service.push("skipped", "paused", "cache", "and it goes on")
    page.see("#event-items >> text=and it goes on")


def test_without_a_stream_it_asks_now_and_then(service, visit):
    service.failing["/api/events/stream"] = (404, {"error": "no such path"})
    page = visit()
    page.see("#reason >> text=No live stream")
    service.push("skipped", "paused", "cache", "seen without a stream")
    page.see("text=seen without a stream")
    del service.failing["/api/events/stream"]
    page.see("#reason >> text=Live:")
    assert service.resumed and service.resumed[-1] == str(service.events[-1]["seq"])


def test_cleared_events_are_gone_from_the_page(service, visit):
    page = visit()
    service.push("config", "events_cleared", message="The audit events were cleared by a person")
    page.wait("document.querySelectorAll('#event-items li').length === 1")


# ---- several engines

def test_several_engines_are_told_apart(service, visit):
    """Rows and events say where they belong to; an event of none of them does not."""
    mock.second_host(service)
    page = visit()
    assert page.texts("#engines [data-f=host]") == ["local", "attic"]
    assert page.texts('tr:has(button.name:text-is("web")) [data-f=host]') == ["attic", "local"]
    facts = [re.search(r"on \S*$|$", words)[0] for words in page.texts("#event-items [data-f=facts]")[:3]]
    assert facts == ["", "on attic", "on local"]
    page.fill("#container-filter", "attic")
    page.fill("#event-filter", "attic")
    assert page.js("['container-rows', 'event-items'].map((id) => document.getElementById(id).children.length)") == [1, 1]


def test_one_engine_needs_no_name(visit):
    page = visit()
    assert page.texts('tr:has(button.name:text-is("web")) [data-f=host]') == [""]
    assert not any("on local" in words for words in page.texts("#event-items [data-f=facts]"))


def test_a_choice_goes_to_the_engine_of_its_row(service, visit):
    """Two containers of one name, and even one id: a copied disk."""
    mock.second_host(service)
    service.containers[-1]["full_id"] = service.containers[0]["full_id"]
    page = visit(TOKEN_HASH)
    page.click('tr:has(button.name:text-is("web")):has-text("attic") >> text=Exclude')
    page.see('tr:has(button.name:text-is("web")):has-text("attic") >> text=Watch')
    assert [c["monitored"] for c in service.containers if c["name"] == "web"] == [True, False]
    assert service.paths("POST") == ["/api/containers/select?host=attic"]


def test_one_of_several_engines_lost(service, visit):
    mock.second_host(service)
    service.lost["attic"] = "connection refused"
    page = visit()
    page.see("#pill[data-tone=warn] >> text=engine lost")
    assert page.text("#reason") == "attic: connection refused"
    assert "connection refused" in page.text("#engines li:has-text('attic')")


# ---- filters

def test_filters(visit):
    page = visit()
    count = lambda id: page.js(f"document.getElementById('{id}').children.length")  # noqa: E731
    page.click("#only-watched")
    assert count("container-rows") == 7
    page.fill("#container-filter", "VALKEY")
    assert count("container-rows") == 1
    page.click("#only-attention")
    assert count("container-rows") == 0 and page.text("#containers-empty") == "No container needs attention."
    page.choose("#event-kind", "restart")
    page.wait("document.querySelectorAll('#event-items li').length === 3")
    page.fill("#event-filter", "ai")
    assert count("event-items") == 1


def test_a_kind_is_looked_for_beyond_what_is_shown(service, visit):
    for n in range(60):
        service.events.append({**service.events[-1], "seq": 100 + n, "event_type": "skipped", "message": f"filler {n}"})
    page = visit()
    assert page.js("document.querySelectorAll('#event-items li').length") == 50
    assert "Auto-monitoring" not in page.text("#event-items")
    page.choose("#event-kind", "auto_monitor")
    page.see("#event-items >> text=Auto-monitoring")
    page.choose("#event-kind", "")
    page.wait("document.querySelectorAll('#event-items li').length === 50")
    page.click("#events-more")
    page.wait("document.querySelectorAll('#event-items li').length === 74")
    page.gone("#events-more")


# ---- the token

def test_token_in_the_address_is_taken_once(service, visit):
    page = visit(TOKEN_HASH)
    assert page.js("[location.href, sessionStorage.getItem('autoheal-token')]") == [service.address, mock.TOKEN]
    page.see("#token-forget")
    reads = {token for _, path, token, _ in service.requests if path.startswith("/api/")}
    assert reads == {f"Bearer {mock.TOKEN}"}
    page.click("#token-forget")
    page.see("#token-enter")
    assert page.js("sessionStorage.getItem('autoheal-token')") is None


def test_a_change_asks_for_the_token_until_it_is_right(service, visit):
    page = visit()
    assert not page.js("document.querySelector('#token-dialog').open")
    page.click(f"{row('web')} >> text=Exclude")
    page.see("#token-dialog >> text=this needs the API token")
    page.fill("#token-input", "wrong")
    page.press("Enter")
    page.wait("document.querySelector('#token-dialog').open && !document.querySelector('#token-input').value")
    page.fill("#token-input", mock.TOKEN)
    page.press("Enter")
    page.see(f"{row('web')} >> text=not watched")
    assert page.text("#notice") == "web is excluded: autoheal leaves it alone."
    posts = [(path, token, body["enabled"]) for method, path, token, body in service.requests if method == "POST"]
    select = "/api/containers/select"
    assert posts == [(select, None, False), (select, "Bearer wrong", False), (select, f"Bearer {mock.TOKEN}", False)]


def test_a_change_that_is_cancelled_is_forgotten(visit):
    page = visit()
    page.click(f"{row('web')} >> text=Exclude")
    page.see("#token-dialog")
    page.click("#token-dialog >> text=Cancel")
    page.wait("!document.querySelector('[aria-disabled]')")
    assert page.text(f"{row('web')} [data-f=choose]") == "Exclude"
    assert page.js("document.querySelector('#notice').textContent") == ""


def test_a_choice_that_does_not_hold_says_why(service, visit):
    service.find("backup-2025-11")["reason"] = "no label autoheal=true"
    page = visit(TOKEN_HASH)
    service.select = lambda body, query: (200, {"selected": ["backup-2025-11"], "excluded": [], "unknown": []})
    page.click(f"{row('backup-2025-11')} [data-f=choose]")
    page.see("#notice >> text=backup-2025-11 is chosen, and not watched all the same: no label autoheal=true.")
    assert page.js("document.querySelectorAll('#container-rows [data-f=choose]:not([hidden])').length") == 9  # not autoheal itself


def test_a_refused_change_is_told_in_the_words_of_the_api(service, visit):
    words = "no token is configured: set AUTOHEAL_API_TOKEN"
    service.failing["/api/containers/select"] = (403, {"error": words})
    page = visit()
    page.click(f"{row('web')} >> text=Exclude")
    page.see(f"#notice >> text=web: {words}")
    assert not page.js("document.querySelector('#token-dialog').open")


def test_where_reading_needs_the_token_it_is_wanted(service, visit):
    refusal = 401, {"error": "reading needs the API token"}
    for path in ("status", "containers", "events", "events/stream", "config"):
        service.failing[f"/api/{path}"] = refusal
    page = visit(drawn=False)
    page.see("#problems >> text=reading needs the API token")
    assert page.text("#containers-empty") == "reading needs the API token"
    service.failing.clear()
    page.click("#problems-token")
    page.fill("#token-input", mock.TOKEN)
    page.press("Enter")
    page.see("#container-rows tr")
    page.gone("#problems")


# ---- what goes wrong

def test_errors_are_told_in_the_words_of_the_api(service, visit):
    service.failing["/api/containers"] = (503, {"error": "no engine is connected"})
    page = visit(drawn=False)
    page.see("#problems >> text=no engine is connected")
    page.see("text=Healthy again")  # the rest stands


def test_an_unhealthy_service_says_why(service, visit):
    service.lost["local"] = "permission denied"
    page = visit()
    page.see("#pill[data-tone=bad] >> text=engine lost")
    assert page.text("#reason") == "local: permission denied"
    assert page.js("document.title") == "engine lost · autoheal"


def test_silence_is_told_and_asked_again_more_slowly(service, visit):
    for path in ("/health", "/api/status", "/api/containers", "/api/events", "/api/events/stream", "/api/config"):
        service.failing[path] = None
    page = visit(drawn=False)
    page.see("#pill >> text=no answer")
    assert page.text("#reason") == "autoheal does not answer."
    assert page.text("#containers-empty") == "Nothing to show until autoheal answers."
    service.failing.clear()
    page.see("#container-rows tr", timeout=30)
    assert service.paths().count("/api/events/stream") <= 5


# ---- what a person does

def test_maintenance_for_a_time_and_its_end(service, visit):
    page = visit(TOKEN_HASH)
    page.click("#maintenance")
    page.choose("#for-input", '{"for":"4h"}')
    page.click("#for-dialog >> text=Do it")
    page.see("#mode >> text=Maintenance")
    assert re.search("in (4 h|3 h 59 min)", page.text("#mode"))
    page.click("#maintenance:text-is('End maintenance')")
    page.see("#mode >> text=Healing")
    assert [(path, body) for m, path, _, body in service.requests if m == "POST"] == [
        ("/api/maintenance/enable", {"for": "4h"}), ("/api/maintenance/disable", None)]


def test_dry_run_and_storm_are_said(service, visit):
    service.dry_run = True
    page = visit()
    assert page.text("#mode") == "Dry run"
    service.dry_run, service.storm = False, True
    service.push("storm", "started")
    page.see("#mode >> text=Storm brake")


def test_a_container_with_its_incidents_and_evidence(visit):
    page = visit()
    shown(page, "web")
    words = page.text("#detail")
    for word in ("ghcr.io/example/shop-web:2.14.1", "'web' on local is watching", "Unhealthy", "500: cannot stop container",
                 "Probe, exit code 1", "fatal", "Crash", "after 13 s", "Seen by event · exit code 0"):
        assert word in words, word
    assert "bad_alloc" not in words  # only the newest is open
    page.click("#detail summary:has-text('Crash')")
    page.see("text=bad_alloc")
    page.see("text=killed for want of memory")
    page.click("#detail summary:has-text('Every step')")
    page.see("text=is it excluded?")


def test_masked_values_are_shown_with_the_token(service, visit):
    full, service.incidents[1]["evidence"]["log"] = service.incidents[1]["evidence"]["log"], "***"
    page = visit()
    shown(page, "web")
    page.click("#detail-masked")
    service.incidents[1]["evidence"]["log"] = full
    page.fill("#token-input", mock.TOKEN)
    page.press("Enter")
    page.see("#detail >> text=out of sockets")
    page.gone("#detail-masked")


def test_restart_is_asked_twice_and_told(service, visit):
    page = visit(TOKEN_HASH)
    shown(page, "web")
    page.click("#detail [data-f=restart]")
    page.see("#detail [data-f=restart]:text-is('Restart now?')")
    assert service.paths("POST") == []
    page.click("#detail [data-f=restart]")
    page.see("#notice >> text=web is being restarted.")
    page.see("#detail >> text=verifying")
    assert service.paths("POST") == [f"/api/containers/{service.find('web')['full_id']}/restart"]


def test_a_restart_that_cannot_be_says_why(service, visit):
    service.maintenance = (mock.stamp(), None)
    page = visit(TOKEN_HASH)
    shown(page, "web")
    page.click("#detail [data-f=restart]")
    page.click("#detail [data-f=restart]")
    page.see("#notice >> text=web: Maintenance: no action is taken")


def test_release_and_snooze(service, visit):
    page = visit(TOKEN_HASH)
    page.click(f"{row('search')} >> text=Release")
    page.see(f"{row('search')} >> text=watching")
    page.gone(f"{row('search')} [data-f=release]")
    shown(page, "search")
    page.click("#detail [data-f=snooze]")
    page.choose("#for-input", '{"for":"24h"}')
    page.click("#for-dialog >> text=Do it")
    page.see("#notice >> text=search is left alone until")
    page.click("#detail [data-f=snooze]")
    page.choose("#for-input", '{"for":0}')
    page.click("#for-dialog >> text=Do it")
    page.see("#notice >> text=search is no longer snoozed.")
    assert [body for m, path, _, body in service.requests if path.endswith("/snooze")] == [{"for": "24h"}, {"for": 0}]


# ---- settings

def setting(path):
    return f'[id="set-{path}"]'


def test_settings_are_saved_and_locked_ones_are_not_asked_for(service, visit):
    page = visit(TOKEN_HASH)
    page.click("#sections summary:text-is('Restarts')")
    assert page.js("document.getElementById('set-restart.cooldown_seconds').disabled")
    assert page.text('[id="set-restart.cooldown_seconds-note"]') == "Set by the environment"
    page.fill(setting("restart.backoff.max_seconds"), "120")
    page.fill(setting("restart.stop_timeout_seconds"), "7")
    page.click(setting("restart.dry_run"))
    page.choose(setting("restart.mode"), "health")
    page.click("#form-restart >> text=Save")
    page.see("#notice >> text=Restarts: saved, and live.")
    wanted = {**mock.CONFIG["restart"], "mode": "health", "stop_timeout_seconds": 7, "dry_run": True,
              "backoff": {**mock.CONFIG["restart"]["backoff"], "max_seconds": 120}}
    assert service.config["restart"] == wanted
    del wanted["cooldown_seconds"]
    assert [(path, body) for m, path, _, body in service.requests if m == "PUT"] == [("/api/config", {"restart": wanted})]


def test_lists_are_one_a_line(service, visit):
    page = visit(TOKEN_HASH)
    page.click("#sections summary:text-is('Filters')")
    assert page.js("document.getElementById('set-filters.blacklist_names').value") == "backup-*"
    page.fill(setting("filters.blacklist_names"), "backup-*\ntest-?\n")
    page.click("#form-filters >> text=Save")
    page.see("#notice >> text=saved")
    assert service.config["filters"]["blacklist_names"] == ["backup-*", "test-?"]


def test_a_refused_setting_is_told_at_its_place(service, visit):
    page = visit(TOKEN_HASH)
    page.click("#sections summary:text-is('Restarts')")
    page.fill(setting("restart.max_restarts"), "many")
    page.click("#form-restart >> text=Save")
    page.see('[id="set-restart.max_restarts-note"] >> text=must be a number')
    assert page.js("[document.activeElement.id, document.activeElement.getAttribute('aria-invalid')]") == \
        ["set-restart.max_restarts", "true"]
    assert service.config["restart"] == mock.CONFIG["restart"]
    service.push("config", "changed")  # by somebody else: what is being typed stays
    page.see("#event-items >> text=Configuration")
    assert page.js("document.activeElement.value") == "many"
    page.click("#form-restart >> text=Undo")
    assert page.js("document.getElementById('set-restart.max_restarts').value") == "3"


def test_export_and_import_go_round(service, visit, tmp_path):
    page = visit(TOKEN_HASH)
    path = page.download("#export", tmp_path)
    assert path.name == "autoheal-config.json" and json.loads(path.read_text()) == mock.CONFIG
    changed = {**mock.CONFIG, "monitor": {**mock.CONFIG["monitor"], "interval_seconds": 45}, "ui": {"theme": "dark"}}
    path.write_text(json.dumps(changed))
    page.upload("#import-file", path)
    page.see("#notice >> text=Imported; not known here, and left out: ui.")
    assert service.config["monitor"]["interval_seconds"] == 45
    page.wait("document.getElementById('set-monitor.interval_seconds').value === '45'")
    path.write_text("{")
    page.upload("#import-file", path)
    page.see("#notice >> text=autoheal-config.json is no JSON.")


def test_targets_are_listed_and_tried(visit):
    page = visit(TOKEN_HASH)
    page.click("#sections summary:text-is('Notifications')")
    page.click("#targets li:has-text('discord') >> text=Send a test")
    page.see("#targets li:has-text('discord') >> text=It was sent (204).")
    page.click("#targets li:has-text('pager') >> text=Send a test")
    page.see("#targets li:has-text('pager') >> text=It did not arrive: the name is not known")


def test_a_fault_of_the_page_would_be_seen(service, browser):
    """The net under these tests: an error of a script and a refusal of the policy are noticed."""
    page = browser.page(service.address)
    page.see("#container-rows tr")
    page.js("setTimeout(() => { throw new Error('on purpose'); }); document.body.append(Object.assign("
            "document.createElement('script'), {textContent: 'document.title = 1'}))")
    page.wait("true")
    faults = " ".join(page.faults())
    assert "on purpose" in faults and "Content Security Policy" in faults
    with pytest.raises(BrowserError):
        page.see("#nobody", timeout=0.1)

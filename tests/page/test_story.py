"""The page in front of the real thing: Chromium, autoheal as it is shipped, a private Docker engine.

AUTOHEAL_SCREENSHOTS=FOLDER keeps pictures of a heal there, as the README shows it.
"""

import json
import os
import pathlib

import pytest

from browser import row
from harness import TOKEN, wait

SCRIPT = "<script>document.title='owned'</script>"
IMAGE = "<img src=x onerror=\"document.title='owned'\">"
LABEL = {"autoheal": "true"}
QUICK = {"AUTOHEAL_COOLDOWN": "1", "AUTOHEAL_RECOVERY_TIMEOUT": "1", "AUTOHEAL_BACKOFF_INITIAL": "1", "AUTOHEAL_STORM": "off"}
HOPELESS = "echo out of order; false"


@pytest.fixture
def visit(opened):
    """visit(service, token=…): the page of a running autoheal."""
    def visit(service, token=TOKEN, live=True, **how):
        page = opened(f"http://127.0.0.1:{service.port}/" + (f"#token={token}" if token else ""), **how)
        page.see("#event-items li")
        if live:
            page.see("#reason >> text=Live:")
        return page

    return visit


def event(kind, name):
    return f'#event-items li:has(strong:text-is("{kind}")):has(.who:text-is("{name}"))'


def shown(page, name):
    page.click(f"{row(name)} button.name")
    page.see("#detail >> text=Incidents")


def test_a_heal_is_watched(engine, autoheal, visit):
    """From sick to recovered, without a reload; then why, with what its probe said: text, whatever it looks like."""
    web = engine.run("web", labels={**LABEL, "note": IMAGE}, health=f'echo "{SCRIPT}"; test ! -f /run/bad')
    service = autoheal(engine)
    page = visit(service)
    page.see(f"{row('web')} >> text=watching")
    page.see(f"{row('web')} >> text=healthy")
    page.js("window.kept = document.querySelector('#container-rows tr')")
    web.sick()
    page.see(event("Restart", "web"))
    page.see(event("Recovered", "web"))
    page.see(f"{row('web')} .bars i[data-tone=ok]")
    page.see(f"{row('web')} >> text=watching")
    assert page.text(f"{row('web')} [data-f=restarts]") == "1"
    assert page.js("window.kept === document.querySelector('#container-rows tr')")
    seen = page.js("[...document.querySelectorAll('#event-items li')].map((n) => n.key)")
    assert seen == [e["seq"] for e in reversed(service.events())]
    shown(page, "web")
    page.see("#detail-incidents >> text=recovered")
    page.see(f"#detail-incidents pre:has-text(\"{SCRIPT}\")")
    page.click("#detail summary:text-is('Labels')")
    page.see("#detail-labels >> text=<img src=x onerror")
    assert page.js("document.title") == "autoheal"
    assert page.js("document.querySelectorAll('body img, body script').length") == 0


def test_without_the_token_foreign_outputs_are_masked(engine, autoheal, visit):
    engine.run("web", labels={**LABEL, "secret": "of a stranger"})
    page = visit(autoheal(engine), token=None)
    shown(page, "web")
    page.click("#detail summary:text-is('Labels')")
    page.see("#detail-labels >> text=***")
    page.click("#detail-masked")
    page.fill("#token-input", TOKEN)
    page.press("Enter")
    page.see("#detail-labels >> text=of a stranger")


def test_events_are_filtered_by_kind_and_container(engine, autoheal, visit):
    for name in ("one", "two"):
        engine.run(name, labels=LABEL)
    page = visit(autoheal(engine))
    page.see(event("Auto-monitoring", "two"))
    page.choose("#event-kind", "auto_monitor")
    page.wait("document.querySelectorAll('#event-items li').length === 2")
    page.fill("#event-filter", "two")
    assert page.texts("#event-items .who") == ["two"]
    engine.run("two-more", labels=LABEL)  # and what comes is held against the filters, too
    page.see(event("Auto-monitoring", "two-more"))
    engine.run("three", labels=LABEL)
    page.see(row("three"))
    assert page.texts("#event-items .who") == ["two-more", "two"]


def test_exclude_and_select(engine, autoheal, visit):
    engine.run("web", labels=LABEL)
    service = autoheal(engine)
    page = visit(service)
    page.click(f"{row('web')} [data-f=choose]:text-is('Exclude')")
    page.see(f"{row('web')} >> text=not watched")
    assert service.container("web")["monitored"] is False
    page.click(f"{row('web')} [data-f=choose]:text-is('Watch')")
    page.see(f"{row('web')} >> text=watching")
    assert service.container("web")["monitored"] is True
    page.wait("document.querySelectorAll('#event-items li').length >= 4")
    assert [(e["event_type"], e["status"]) for e in service.events(type="selection")] == [("selection", "excluded"), ("selection", "selected")]


def test_restart_by_hand(engine, autoheal, visit):
    web = engine.run("web", labels=LABEL)
    service = autoheal(engine)
    web.wait_health("healthy")
    before = web.started()
    page = visit(service)
    shown(page, "web")
    page.click("#detail [data-f=restart]")
    page.click("#detail [data-f=restart]")
    page.see("#notice >> text=web is being restarted.")
    page.see("#detail-incidents >> text=Manual")
    page.see("#detail-incidents >> text=recovered")
    assert web.started() != before


def test_quarantine_and_release(engine, autoheal, visit):
    engine.run("hopeless", labels=LABEL, health=HOPELESS, stop_timeout=1)
    service = autoheal(engine, AUTOHEAL_MAX_RESTARTS="1", **QUICK)
    page = visit(service)
    page.see(f"{row('hopeless')} >> text=quarantined", timeout=40)
    page.wait("document.querySelector('#n-quarantined').textContent === '1'")
    page.see(f"{row('hopeless')} .bars i[data-tone=bad]")
    page.click(f"{row('hopeless')} [data-f=release]")
    page.see(event("Released by a person", "hopeless"))
    assert service.wait_event("unquarantine", "hopeless", status="released")
    service.wait_event("restart", "hopeless", count=2, timeout=20)  # still sick: acted on at once


def test_maintenance(engine, autoheal, visit):
    web = engine.run("web", labels=LABEL)
    service = autoheal(engine)
    web.wait_health("healthy")
    page = visit(service)
    page.click("#maintenance")
    page.choose("#for-input", '{"for":"15m"}')
    page.click("#for-dialog >> text=Do it")
    page.see("#mode >> text=Maintenance")
    page.see("#mode time:has-text('in ')")
    web.sick()
    page.see(event("Skipped", "web"))
    assert service.events(type="restart") == []
    page.click("#maintenance:text-is('End maintenance')")
    page.see(event("Recovered", "web"))
    assert page.text("#mode") == "Healing"


def test_snooze(engine, autoheal, visit):
    web = engine.run("web", labels=LABEL)
    service = autoheal(engine)
    web.wait_health("healthy")
    page = visit(service)
    shown(page, "web")
    page.click("#detail [data-f=snooze]")
    page.click("#for-dialog >> text=Do it")
    page.see("#notice >> text=web is left alone until")
    web.sick()
    service.wait_event("skipped", "web", status="snoozed", timeout=15)
    page.click("#detail [data-f=snooze]")
    page.choose("#for-input", '{"for":0}')
    page.click("#for-dialog >> text=Do it")
    page.see("#notice >> text=web is no longer snoozed.")
    page.see("#detail-incidents >> text=recovered")


def test_a_wrong_token(engine, autoheal, visit):
    engine.run("web", labels=LABEL)
    service = autoheal(engine)
    page = visit(service, token="wrong")
    page.click("#maintenance")
    page.click("#for-dialog >> text=Do it")
    page.see("#token-dialog")
    page.fill("#token-input", "wrong again")
    page.press("Enter")
    page.wait("document.querySelector('#token-dialog').open && !document.querySelector('#token-input').value")
    assert service.get("/api/maintenance/status").json()["maintenance_mode"] is False
    page.fill("#token-input", TOKEN)
    page.press("Enter")
    page.see("#mode >> text=Maintenance")


def setting(path):
    return f'[id="set-{path}"]'


def test_settings(engine, autoheal, visit, tmp_path):
    """Saved and live; locked by the environment; refused at their place; out and in again."""
    engine.run("web", labels=LABEL)
    service = autoheal(engine, AUTOHEAL_COOLDOWN="7")
    page = visit(service)
    page.click("#sections summary:text-is('Restarts')")
    assert page.js("document.getElementById('set-restart.cooldown_seconds').disabled")
    page.fill(setting("restart.max_restarts"), "5")
    page.click("#form-restart >> text=Save")
    page.see("#notice >> text=Restarts: saved, and live.")
    assert service.get("/api/config").json()["restart"]["max_restarts"] == 5
    page.fill(setting("restart.max_restarts"), "many")
    page.click("#form-restart >> text=Save")
    page.see(f'{setting("restart.max_restarts")}[aria-invalid]')
    assert "max_restarts" in page.text('[id="set-restart.max_restarts-note"]')
    page.click("#form-restart >> text=Undo")
    path = page.download("#export", tmp_path)
    kept = json.loads(path.read_text())
    assert kept["restart"]["max_restarts"] == 5
    kept["restart"]["max_restarts"] = 9
    path.write_text(json.dumps({**kept, "ui": {"theme": "dark"}}))
    page.upload("#import-file", path)
    page.see("#notice >> text=left out: ui.")
    assert service.get("/api/config").json()["restart"]["max_restarts"] == 9
    page.wait("document.getElementById('set-restart.max_restarts').value === '9'")


def test_targets_can_be_tried(engine, autoheal, visit):
    engine.run("web", labels=LABEL)
    service = autoheal(engine, AUTOHEAL_NOTIFY="http://127.0.0.1:9/hook")
    page = visit(service)
    page.click("#sections summary:text-is('Notifications')")
    page.click("#targets [data-f=test]")
    page.see("#targets >> text=It did not arrive")


def test_nothing_is_asked_while_the_stream_stands(engine, autoheal, visit):
    """Three audits pass and nothing happens: the page asks for nothing."""
    engine.run("web", labels=LABEL).wait_health("healthy")
    service = autoheal(engine)
    page = visit(service)
    page.wait("document.querySelector('#sections details')")
    audits = [service.get("/api/status").json()["engines"][0]["last_audit"]]

    def audited():
        last = service.get("/api/status").json()["engines"][0]["last_audit"]
        if last != audits[-1]:
            audits.append(last)
        return len(audits) > 1
    wait(audited, 20, "an audit", 0.1)  # by then the page has what it wants
    page.requests()
    wait(lambda: audited() and len(audits) > 4, 30, "three audits", 0.1)
    assert page.requests() == []


def test_autoheal_goes_and_comes_back(engine, autoheal, visit, tmp_path):
    """The stream is cut, and what happened meanwhile is there afterwards, each event once."""
    web = engine.run("web", labels=LABEL)
    (tmp_path / "data").mkdir()
    service = autoheal(engine, AUTOHEAL_DATA_DIR=tmp_path / "data")
    web.wait_health("healthy")
    page = visit(service)
    service.stop()
    page.see("#pill >> text=/reconnecting|no answer/")
    service.start()
    service.wait_ready(15)
    web.sick()
    page.see(event("Recovered", "web"), timeout=45)
    page.see("#pill >> text=healthy")
    page.see("#reason >> text=Live:")
    seen = page.js("[...document.querySelectorAll('#event-items li')].map((n) => n.key)")
    assert seen == [e["seq"] for e in reversed(service.events())][:len(seen)] and len(seen) == len(set(seen))


def test_an_engine_that_is_lost_is_said(own_engine, autoheal, visit):
    own_engine.run("web", labels=LABEL)
    page = visit(autoheal(own_engine))
    own_engine.terminate()
    page.see("#pill >> text=engine lost")
    own_engine.start()
    page.see("#pill >> text=healthy", timeout=40)
    page.see("#event-items li:nth-child(1) >> text=Engine connected")


def test_pictures(engine, autoheal, visit, tmp_path):
    """A host as it may be, with a heal behind it: axe-core finds nothing serious; pictures of it are kept where they
    are asked for."""
    shop = {"com.docker.compose.project": "shop"}
    sick = engine.run("shop-web", labels={**LABEL, **shop}, health="test ! -f /run/bad && echo ok || { echo 'GET /health: 500'; false; }")
    engine.run("shop-database", labels={**LABEL, **shop})
    engine.run("search", labels={**LABEL, "autoheal.max.restarts": "1"}, health=HOPELESS, stop_timeout=1)
    engine.run("cache", labels=LABEL, health=None)
    engine.run("one-off-job", health=None)
    service = autoheal(engine, **{**QUICK, "AUTOHEAL_RECOVERY_TIMEOUT": "3"})
    for heals in (1, 2):
        sick.wait_health("healthy")
        sick.sick()
        service.wait_event("recovered", "shop-web", timeout=30, count=heals)
        service.wait_event("quarantine", "search", timeout=40)
    folder = pathlib.Path(os.environ.get("AUTOHEAL_SCREENSHOTS") or tmp_path)
    for dark in (False, True):
        for width in (1280, 390):
            page = visit(service, dark=dark, width=width, height=1320 if width == 1280 else 1000)
            page.see(f"{row('search')} >> text=quarantined")
            page.see(f"{row('shop-web')} .bars i")
            page.gone("#notice.shown")
            assert page.axe() == []
            if width == 1280:
                page.screenshot(folder / ("page-dark.png" if dark else "page.png"), whole=False)
            shown(page, "shop-web")
            page.see("#detail-incidents >> text=GET /health: 500")
            page.screenshot(tmp_path / f"incident-{width}-{dark}.png", whole=False)
    for picture in (folder / "page.png", folder / "page-dark.png"):
        assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20000

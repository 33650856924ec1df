"""Chromium for tests, driven by playwright-core in a node process of its own (driver.mjs).

    with Browser() as browser:
        page = browser.page(url, width=390, dark=True)
        page.click('#maintenance')
        page.wait("document.title === 'autoheal'")
        assert page.faults() == []
"""

import json
import select
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[1] / "build/npm"
PATIENCE_S = 60


class BrowserError(Exception):
    """What was asked of the browser did not work, in its words."""


def missing():
    """What a browser test lacks here, in words, or None."""
    for program in ("chromium", "node"):
        if not shutil.which(program):
            return f"{program} is missing"
    return None if (MODULES / "node_modules/playwright-core").is_dir() else \
        "playwright-core is missing: tools/fetch-npm.sh build/npm"


class Browser:
    def __enter__(self):
        self.process = subprocess.Popen(
            ["node", HERE / "driver.mjs", MODULES, shutil.which("chromium")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def run(self, code, **args):
        """Runs the body of an async function of (state, args) in the driver."""
        self.process.stdin.write(json.dumps({"code": code, "args": args}) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            raise BrowserError(f"no answer to {code.strip()[:200]}")
        answer = json.loads(line)
        if "fault" in answer:
            raise BrowserError(answer["fault"])
        return answer["value"]

    def page(self, url, width=1280, height=900, dark=False, init="", clock=False):
        """A page in a context of its own, which the last one's closes. init runs before the page's own script; with clock
        the page's time is the test's (state.page.clock)."""
        self.run("""
            await state.context?.close();
            state.faults = [];
            state.requests = [];
            state.context = await state.browser.newContext({
                viewport: {width: args.width, height: args.height}, colorScheme: args.dark ? 'dark' : 'light',
                reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'UTC', acceptDownloads: true, deviceScaleFactor: args.width < 500 ? 2 : 1});
            state.context.setDefaultTimeout(15000);
            if (args.init)
                await state.context.addInitScript(args.init);
            state.page = await state.context.newPage();
            state.page.on('pageerror', (e) => state.faults.push(String(e)));
            state.page.on('console', (m) => m.type() === 'error' && !/Failed to load resource/.test(m.text()) && state.faults.push(m.text()));
            state.page.on('dialog', (d) => { state.faults.push(`dialog ${d.message()}`); d.dismiss(); });
            state.page.on('request', (r) => state.requests.push(`${r.method()} ${new URL(r.url()).pathname}`));
            if (args.clock)
                await state.page.clock.install();
            await state.page.goto(args.url);
        """, clock=clock, url=url, width=width, height=height, dark=dark, init=init)
        return Page(self)


class Page:
    """What a person does with the page, and sees. Selectors are Playwright's."""

    def __init__(self, browser):
        self.run = browser.run

    def js(self, expression, **args):
        """What an expression, or `(args) => …`, is in the page."""
        return self.run("return state.page.evaluate(args.e, args.a)" if not args else
                        "return state.page.evaluate(({e, a}) => eval(e)(a), {e: args.e, a: args.a})", e=expression, a=args)

    def wait(self, expression, timeout=15):
        """Waits until an expression is true in the page. (Not with waitForFunction: the page's policy forbids its eval.)"""
        self.run("""
            for (const end = Date.now() + args.t * 1000; !await state.page.evaluate(args.e);) {
                if (Date.now() > end)
                    throw new Error(`waited ${args.t} s in vain for ${args.e}`);
                await new Promise((done) => setTimeout(done, 20));
            }
        """, e=expression, t=timeout)

    def see(self, selector, timeout=15):
        """Waits until one that fits is visible."""
        self.run("await state.page.locator(args.s).first().waitFor({timeout: args.t * 1000})", s=selector, t=timeout)

    def gone(self, selector, timeout=15):
        self.run("await state.page.locator(args.s).first().waitFor({state: 'hidden', timeout: args.t * 1000})", s=selector, t=timeout)

    def click(self, selector):
        self.run("await state.page.locator(args.s).first().click()", s=selector)

    def fill(self, selector, value):
        self.run("await state.page.locator(args.s).first().fill(args.v)", s=selector, v=value)

    def choose(self, selector, value):
        self.run("await state.page.locator(args.s).first().selectOption(args.v)", s=selector, v=value)

    def press(self, key):
        self.run("await state.page.keyboard.press(args.k)", k=key)

    def text(self, selector):
        """The visible text of the first that fits."""
        return self.run("return state.page.locator(args.s).first().innerText()", s=selector)

    def texts(self, selector):
        return self.run("return state.page.locator(args.s).allInnerTexts()", s=selector)

    def requests(self):
        """What was asked since the last call: ['GET /api/status', …]."""
        return self.run("return state.requests.splice(0)")

    def faults(self):
        """Errors of the page's script, refusals of its policy, and alerts, since the last call."""
        return self.run("return state.faults.splice(0)")

    def screenshot(self, path, whole=True):
        self.run("await state.page.screenshot({path: args.p, fullPage: args.w, animations: 'disabled'})", p=str(path), w=whole)

    def download(self, selector, folder):
        """What a click there saves, as a path in the folder."""
        return Path(self.run("""
            const [download] = await Promise.all([state.page.waitForEvent('download'), state.page.locator(args.s).click()]);
            const path = `${args.f}/${download.suggestedFilename()}`;
            await download.saveAs(path);
            return path;
        """, s=selector, f=str(folder)))

    def upload(self, selector, path):
        self.run("await state.page.locator(args.s).setInputFiles(args.p)", s=selector, p=str(path))

    def axe(self):
        """axe-core's findings that are serious or critical, as [(rule, impact, nodes)]. It is run beside the page's
        policy, which would refuse it as a script of the page."""
        return self.run("""
            const source = (await import('node:fs')).readFileSync(state.axe, 'utf8');
            await state.page.evaluate(source);
            const found = await state.page.evaluate(() => axe.run(document, {resultTypes: ['violations']}));
            return found.violations.filter((v) => ['serious', 'critical'].includes(v.impact))
                .map((v) => [v.id, v.impact, v.nodes.map((n) => `${n.target} ${n.failureSummary}`)]);
        """)


def row(name):
    """The row of a container in the page's table."""
    return f'#container-rows tr:has(button.name:text-is("{name}"))'

"""A real Prometheus scrapes /metrics: it takes every line, and every query of the dashboard finds an answer."""
import json
import subprocess
import urllib.parse
import urllib.request

import pytest

from engine import wait
from harness import ROOT, free_port
from prometheus import program

LABEL = {"autoheal": "true"}


class Prometheus:
    """Scrapes every second, as a process of its own in `folder`."""

    def __init__(self, folder, target):
        self.port = free_port()
        config = folder / "prometheus.yml"
        config.write_text("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
                          f"- {{job_name: autoheal, static_configs: [{{targets: ['{target}']}}]}}\n")
        self.log_path = folder / "prometheus.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """[(labels, value)]"""
        return [(r["metric"], float(r["value"][1])) for r in self.ask("query", query=expression)["result"]]

    def value(self, expression):
        """The one value there is, or None."""
        try:
            values = [v for _, v in self.query(expression)]
        except OSError:             # it is not up yet
            return None
        return values[0] if len(values) == 1 else None


@pytest.fixture
def scrape(tmp_path):
    made = []

    def start(service):
        made.append(Prometheus(tmp_path, f"127.0.0.1:{service.port}"))
        return made[-1]

    yield start
    for p in made:
        p.close()
        print("---- the log of prometheus:\n" + p.log_path.read_text()[-4000:])


def test_a_heal_is_seen_by_prometheus(engine, autoheal, scrape):
    web = engine.run("web", labels=LABEL)
    web.wait_health("healthy")
    service = autoheal(engine.host)
    seen = scrape(service)
    wait(lambda: seen.value("up") == 1, 30, "the first scrape")
    assert seen.value("autoheal_containers_monitored") == 1
    restarts = 'autoheal_container_restarts_total{container_name="web",host="local",result="recovered"}'
    assert seen.value(restarts) == 0
    web.sick()
    service.wait_event("recovered", "web", timeout=20)
    wait(lambda: seen.value(restarts) == 1, 10, "the heal to be scraped")
    # the rise is visible as such, though it was the container's first
    wait(lambda: (seen.value(f"increase({restarts}[1m])") or 0) > 0, 10, "the rise")
    p99 = seen.value("histogram_quantile(0.99, sum by (le) (rate(autoheal_detection_to_request_seconds_bucket[1m])))")
    assert 0 < p99 < 10
    dropped = "prometheus_target_scrapes_sample_duplicate_timestamp_total"
    assert seen.value("scrape_samples_scraped") > 40 and not seen.query(dropped)
    target = seen.ask("targets")["activeTargets"][0]
    assert target["health"] == "up" and target["lastError"] == ""
    types = {name: entry[0]["type"] for name, entry in seen.ask("metadata").items()}
    assert types["autoheal_container_restarts_total"] == "counter" and types["autoheal_engine_connected"] == "gauge"
    assert types["autoheal_heal_duration_seconds"] == "histogram" and all(len(e) > 0 for e in types.values())
    assert not [line for line in seen.log_path.read_text().splitlines() if "level=warn" in line and "scrape" in line]


def test_the_dashboard_finds_answers(engine, autoheal, scrape):
    """Each query of docs/grafana.json is one that Prometheus understands, and all but those of trouble have an answer."""
    web = engine.run("web", labels=LABEL)
    web.wait_health("healthy")
    service = autoheal(engine.host)
    seen = scrape(service)
    wait(lambda: seen.value("up") == 1, 30, "the first scrape")
    web.sick()
    service.wait_event("recovered", "web", timeout=20)
    wait(lambda: (seen.value("sum(increase(autoheal_container_restarts_total[1m]))") or 0) > 0, 10, "the rise")
    board = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$host", ".*").replace("$__rate_interval", "1m")
            assert "$" not in query
            assert seen.query(query), (panel["title"], query)

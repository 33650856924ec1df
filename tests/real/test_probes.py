"""Probes of our own on a real engine: containers without a HEALTHCHECK and without a network."""
import time

from engine import wait

LABEL = {"autoheal": "true", "autoheal.check.interval": "1", "autoheal.check.timeout": "5", "autoheal.check.retries": "2"}
CHECK = {**LABEL, "autoheal.check.exec": "echo looking; test ! -e /run/bad"}


def passes(service, name):
    wait(lambda: (service.container(name)["health"] or {}).get("status") == "healthy", 15, f"a pass of {name}'s probe")


def test_a_command_heals_one_without_a_network(engine, autoheal):
    """`network none`: nothing reaches it but the engine's exec. It is well again with the restart, which the next pass proves."""
    web = engine.run("probed", labels=CHECK, health=None)
    assert web.inspect()["HostConfig"]["NetworkMode"] == "none"
    service = autoheal(engine)
    passes(service, "probed")
    before = web.started()
    web.sick()
    failed = service.wait_event("health_check_failed", "probed", timeout=15)
    assert failed["health_output"] == "looking"
    web.wait_restarted(before)
    recovered = service.wait_event("recovered", "probed", timeout=15)
    assert recovered["status"] == "healthy"
    events = [(e["event_type"], e["status"]) for e in service.events(container="probed")]
    assert events == [("auto_monitor", "enabled"), ("health_check_failed", "failure"), ("restart", "success"),
                      ("recovered", "healthy")]
    assert service.events("restart", "probed")[0]["reason"] == "probe"
    after = web.started()
    time.sleep(2.5)                             # two probes
    assert web.started() == after


def test_a_command_that_cannot_be_run_is_no_sickness(engine, autoheal):
    """Neither an image without the program nor a port without an address ever restarts anything."""
    words = engine.run("words", labels={**LABEL, "autoheal.check.exec": '["/no/such/program"]'}, health=None)
    port = engine.run("port", labels={**LABEL, "autoheal.check.tcp": "80"}, health=None)
    before = words.started(), port.started()
    service = autoheal(engine)
    service.wait_log(r"Container 'port' .*cannot be probed.*no address of its own", timeout=15)
    time.sleep(4)
    assert (words.started(), port.started()) == before
    assert not service.events("health_check_failed")


def test_beside_a_healthcheck_it_is_ignored(engine, autoheal):
    both = engine.run("both", labels={**CHECK, "autoheal.check.exec": "false"})
    service = autoheal(engine)
    service.wait_log(r"Container 'both' .*has a HEALTHCHECK", timeout=15)
    both.wait_health("healthy")
    before = both.started()
    both.sick()
    both.wait_restarted(before)
    assert service.wait_event("restart", "both", timeout=15)["reason"] == "unhealthy"


def test_a_command_that_hangs_is_not_piled_up(engine, autoheal):
    """The engine ends no command: the next one waits for its end, and is a failure meanwhile."""
    web = engine.run("hangs", labels={**LABEL, "autoheal.check.timeout": "500ms", "autoheal.restart.enable": "false",
                                      "autoheal.check.exec": "test ! -e /run/bad || sleep 1000"}, health=None)
    service = autoheal(engine)
    passes(service, "hangs")
    web.sick()
    failed = service.wait_event("health_check_failed", "hangs", timeout=15)
    assert "not ended" in failed["health_output"]
    time.sleep(3)
    # the shell has become the sleep, or waits for it
    assert web.exec("sh", "-c", "test $(ps | grep '[s]leep 1000' | grep -vc 'sh -c') = 1") == 0

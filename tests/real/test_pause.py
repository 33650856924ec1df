"""A paused container reads `unhealthy` on the engine, and is not: autoheal leaves it alone, and heals what is sick."""
import time

from conftest import wait_audits
from engine import wait

LABEL = {"autoheal": "true"}


def test_paused_then_unpaused_then_sick(engine, autoheal):
    """`docker pause` makes a healthy container read unhealthy with a streak of 0: nothing is done over several audits.
    Unpaused it still reads unhealthy; while the streak is below its retries nothing is done. When the probes really have
    failed often enough there is no event for it, and yet it is healed."""
    web = engine.run("napper", labels=LABEL, control=True, interval=1.5, retries=3)
    service = autoheal(engine, AUTOHEAL_INTERVAL="1")
    web.wait_health("healthy")
    before = web.started()
    web.pause()
    state = web.state()
    assert (state["Health"]["Status"], state["Health"]["FailingStreak"]) == ("unhealthy", 0), "the premise"
    wait_audits(service, 2)
    state = web.state()
    assert state["Paused"] and web.started() == before, "a paused container was touched"
    assert service.events("restart") == []
    web.sick()  # on the host's side, so it works while paused
    web.unpause()
    streaks = set()

    def look():
        now = web.state()
        if now["Health"]["Status"] == "unhealthy" and web.started() == before:
            streaks.add(now["Health"]["FailingStreak"])
        return web.started() > before

    wait(look, 20, "the sick container to be restarted", 0.05)
    assert {0, 1, 2} <= streaks, f"restarted after the streaks {sorted(streaks)}, before three failed probes"
    service.wait_event("recovered", "napper", timeout=20)
    assert len(service.events("restart", "napper")) == 1


def test_unpaused_and_well(engine, autoheal):
    """A container that was only paused is never restarted, neither while its health is stale nor after."""
    web = engine.run("napper2", labels=LABEL, interval=1.5, retries=1)
    service = autoheal(engine, AUTOHEAL_INTERVAL="1")
    web.wait_health("healthy")
    before = web.started()
    for _ in range(2):
        web.pause()
        time.sleep(0.3)
        web.unpause()
        assert web.health() == "unhealthy", "the premise"
        web.wait_health("healthy")
    wait_audits(service, 1)
    assert web.started() == before
    assert service.events("restart") == []

"""Twenty containers at once."""
from concurrent.futures import ThreadPoolExecutor

from engine import wait

LABEL = {"autoheal": "true"}
COUNT = 20


def start_all(engine, prefix):
    made = [engine.create(f"{prefix}-{i:02}", labels=LABEL, interval=2, control=True) for i in range(COUNT)]
    with ThreadPoolExecutor(COUNT) as pool:
        list(pool.map(lambda c: c.start(), made))
    return made


def test_twenty_starts_then_twenty_sick_at_once(engine, autoheal):
    """Twenty labelled containers started at once are all watched, each with one event; when all of them fall sick at
    once, each is restarted once, and all recover."""
    service = autoheal(engine, AUTOHEAL_STORM="off")
    many = start_all(engine, "crowd")
    wait(lambda: len(service.events("auto_monitor")) >= COUNT, 15, "twenty auto_monitor events")
    assert sorted(e["container_name"] for e in service.events("auto_monitor")) == [c.name for c in many]
    for c in many:
        c.wait_health("healthy", 30)
    before = {c.name: c.started() for c in many}
    for c in many:
        c.sick()
    wait(lambda: len(service.events("recovered")) >= COUNT, 60, "twenty recovered events", 0.2)
    assert sorted(e["container_name"] for e in service.events("recovered", )) == [c.name for c in many]
    for c in many:
        assert c.started() > before[c.name] and c.health() == "healthy"
    restarts = service.events("restart")
    assert sorted(e["container_name"] for e in restarts) == [c.name for c in many], "each once"
    assert {e["status"] for e in restarts} == {"success"}

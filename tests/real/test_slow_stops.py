"""A slow stop delays nobody else."""
import time

from conftest import PROMPT
from engine import DEAF, wait

LABEL = {"autoheal": "true"}


def test_ten_slow_stops_and_a_quick_one(engine, autoheal, recorder, memory_folder, capsys):
    """Ten containers that need their whole 10 s to stop and a quick one fall sick together. The quick one's restart is
    asked for within 5 ms of its event, also when it falls sick again while the ten are still stopping; all eleven
    are healed in 13 s (20 s where the machine is busy)."""
    slow = [engine.create(f"slow-{i}", labels=LABEL, cmd=DEAF, stop_timeout=10, interval=1, control=True)
            for i in range(10)]
    quick = engine.create("quick", labels=LABEL, interval=1, control=True)
    service = autoheal(recorder, folder=memory_folder, wrapper=PROMPT, AUTOHEAL_STORM="off", AUTOHEAL_COOLDOWN="0",
                       AUTOHEAL_MAX_RESTARTS="0", AUTOHEAL_BACKOFF="false", AUTOHEAL_INTERVAL="5")
    everyone = [*slow, quick]
    for c in everyone:
        c.start()
    for c in everyone:
        c.wait_health("healthy", 30)
    for c in everyone:
        c.sick()
    for c in everyone:
        wait(lambda c=c: recorder.unhealthy(c), 10, f"{c.name} to be unhealthy")
    for again in (2, 3):
        wait(lambda n=again: len(service.events("recovered", "quick")) >= n - 1, 10, "quick to recover")
        quick.sick()
        wait(lambda n=again: len(recorder.restarts(quick)) >= n, 10, "quick to be restarted again")
    wait(lambda: {e["container_name"] for e in service.events("recovered")} >= {c.name for c in slow}, 40,
         "the slow ones to recover", 0.05)
    end = time.monotonic_ns()
    took = [(r - e) / 1e6 for e, r in zip(recorder.unhealthy(quick), recorder.restarts(quick))]
    all_took = [(recorder.restarts(c)[0] - recorder.unhealthy(c)[0]) / 1e6 for c in everyone]
    healed = (end - max(recorder.unhealthy(c)[0] for c in everyone)) / 1e9
    with capsys.disabled():
        print(f"\n    event to request: quick {', '.join(f'{t:.2f}' for t in took)} ms, slowest of eleven "
              f"{max(all_took):.2f} ms; all healed {healed:.1f} s after the last fell sick")
    assert sorted(took)[1] < 5, f"event to request took {took} ms"
    assert healed < 20
    assert all(len(recorder.restarts(c)) == 1 for c in slow)

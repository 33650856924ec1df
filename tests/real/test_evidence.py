"""What a real engine says of a container just before its restart is kept with the incident."""
from engine import wait

LABEL = {"autoheal": "true"}
TALKS = ["sh", "-c", 'rm -f /ctl/bad; trap "exit 0" TERM; echo "serving on 8080"; echo "no handles left" >&2; '
         'while :; do sleep 3600 & wait $!; done']


def gathered(service, name):
    def found():
        all_of_it = service.get(f"/api/containers/{name}/incidents", token=True).json()
        return all_of_it[-1] if all_of_it and all_of_it[-1]["closed"] else None
    return wait(found, 20, f"the end of the incident of {name}")


def test_probes_and_log_of_a_sick_one(engine, autoheal):
    """Both streams of its log, and what its probes printed."""
    web = engine.run("web", labels=LABEL, cmd=TALKS,
                     health='if test -f /run/bad; then echo "refused: /run/bad"; exit 1; fi')
    service = autoheal(engine)
    web.wait_health("healthy")
    web.sick()
    one = gathered(service, "web")
    assert (one["cause"], one["detected_by"], one["outcome"]) == ("unhealthy", "event", "recovered")
    evidence = one["evidence"]
    assert sorted(evidence["log"].split("\n")[:2]) == ["no handles left", "serving on 8080"]
    assert evidence["probes"][-1]["output"] == "refused: /run/bad\n" and evidence["probes"][-1]["exit_code"] == 1
    assert evidence["probes"][-1]["end"] <= one["closed"]
    assert evidence["oom_killed"] is False
    masked = service.get("/api/containers/web/incidents").json()[-1]["evidence"]
    assert masked["log"] == "***" and {p["output"] for p in masked["probes"]} == {"***"}


def test_exit_code_of_a_crashed_one_with_a_terminal(engine, autoheal):
    """A terminal's log has no frames; after the start the engine's own word for the exit code is 0."""
    job = engine.run("job", labels=LABEL, health=None, Tty=True,
                     cmd=["sh", "-c", "echo bye; sleep 1; test -f /tmp/again && sleep 3600; touch /tmp/again; exit 42"])
    service = autoheal(engine, AUTOHEAL_RECOVERY_TIMEOUT="2")
    one = gathered(service, "job")
    assert (one["cause"], one["outcome"]) == ("crash", "recovered")
    assert one["evidence"]["exit_code"] == 42 and one["evidence"]["log"].startswith("bye\r\n")
    assert job.state()["ExitCode"] == 0


def test_a_log_that_cannot_be_read(engine, autoheal):
    """The logging driver `none` keeps nothing: the heal goes on, the log is null."""
    web = engine.run("web", labels=LABEL, host={"LogConfig": {"Type": "none"}})
    service = autoheal(engine)
    web.wait_health("healthy")
    web.sick()
    one = gathered(service, "web")
    assert one["outcome"] == "recovered"
    assert not one["evidence"]["log"] and one["evidence"]["exit_code"] is not None
    assert not service.log_lines("WARNING|ERROR")

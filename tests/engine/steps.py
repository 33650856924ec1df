"""Steps that many stories share."""
import itertools
import json
import re
import socket

LABEL = {"autoheal": "true"}
# A heal may follow another at once: for stories about something else than waiting.
QUICK = {"AUTOHEAL_COOLDOWN": "0", "AUTOHEAL_BACKOFF": "false", "AUTOHEAL_MAX_RESTARTS": "0"}

TIMESTAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_fences = itertools.count(1)


def fence(engine, ah, labels=LABEL):
    """Returns when the service has dealt with every event sent so far: a container started now was picked up."""
    name = f"fence-{next(_fences)}"
    engine.start_container(name, labels=labels)
    ah.wait_event("auto_monitor", name)


def left_alone(engine, ah, *containers):
    """Asserts that what was told so far brings no action on these containers (all of them, if none is given).

    Two fences: an inspect that an event made necessary is answered before the second one's.
    """
    fence(engine, ah)
    fence(engine, ah)
    for container in containers:
        assert not [r for r in engine.posts() if container.id in r.path or container.name in r.path.split("/")]
    if not containers:
        assert not engine.posts()


def audits(engine, count=2, timeout=10.0):
    """Returns when so many more lists have been asked for and dealt with."""
    before = len(engine.requests("GET", "^/containers/json$"))
    engine.wait_request("GET", "^/containers/json$", before + count + 1, timeout)


def healed(engine, ah, container, count=1, timeout=5.0):
    """Waits for the count-th restart of a container and for the proof that it helped; returns the restart event."""
    engine.wait_restart(container, count, timeout)
    event = ah.wait_event("restart", container.name, timeout, "success", count)
    ah.wait_event("recovered", container.name, timeout, count=count)
    return event


def sick_and_healed(engine, ah, container, count=1):
    engine.sicken(container)
    return healed(engine, ah, container, count)


def long_past(ah, folder, count=2000):
    """Stops the service, gives it so many events on disk, each of 300 bytes and more, and starts it again."""
    ah.stop()
    log = folder / "events.jsonl"
    one = {**json.loads(log.read_text().splitlines()[-1]), "message": "x" * 300}
    log.write_text('{"autoheal":1}\n' + "".join(json.dumps({**one, "seq": n}) + "\n" for n in range(1, count + 1)))
    ah.start()
    ah.wait_ready()


def gaps(requests):
    """Seconds between the requests."""
    times = [r.time for r in requests]
    return [b - a for a, b in zip(times, times[1:])]


def compose(project, service, number=1, **labels):
    """Labels as Compose writes them, autoheal=true included."""
    return {**LABEL, "com.docker.compose.project": project, "com.docker.compose.service": service,
            "com.docker.compose.container-number": str(number), "com.docker.compose.oneoff": "False", **labels}


def raw(port, data, timeout=5.0, finish=True):
    """Sends bytes to a TCP port of this host and reads until the other side closes (or timeout): all it said."""
    out = b""
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        try:
            s.sendall(data)
            if finish:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass                                # it has heard enough
        try:
            while piece := s.recv(65536):
                out += piece
        except (TimeoutError, ConnectionResetError):
            pass
    return out


def statuses(answer):
    """The status codes of the answers in these bytes."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]

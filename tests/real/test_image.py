"""The image, as `make image` builds it, in the container it is meant for: no network, no rights, 6 MiB."""
import io
import json
import os
import subprocess
import tarfile
import time

import pytest

from engine import wait
from harness import ROOT

LABEL = {"autoheal": "true"}
IMAGE = "autoheal:test"
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"


def image_files(engine):
    """{path: (mode, size)} of all layers."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(engine.docker_save(IMAGE))) as outer:
        manifest = json.load(outer.extractfile("manifest.json"))
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(outer.extractfile(layer).read())) as inner:
                files.update({m.name.strip("/"): (m.mode & 0o7777, m.size) for m in inner.getmembers()})
    return files


@pytest.fixture(scope="module")
def image(shared_engine):
    if not (ROOT / "Makefile").exists():
        pytest.fail("no Makefile, so no `make image`", pytrace=False)
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "AUTOHEAL")}
    env.update(DOCKER_HOST=shared_engine.host, IMAGE=IMAGE)
    done = subprocess.run(["make", "image"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return shared_engine.get(f"/images/{IMAGE}/json")


def run_autoheal(engine, name, labels=None, environment=(), **config):
    """The service in a container with nothing but the socket."""
    made = engine.create(
        name, image=IMAGE, cmd=[], labels=labels, User=f"65534:{engine.socket_gid()}",
        Env=["AUTOHEAL_INTERVAL=2", *environment],
        host={"Binds": [f"{engine.sock}:/var/run/docker.sock"], "ReadonlyRootfs": True, "CapDrop": ["ALL"],
              "Memory": 6 << 20, "Tmpfs": {}},
        health=None, **config)
    return made.start()


def test_contents(engine, image):
    """The image holds the binary, Debian's authorities of the web and an empty /data that anyone may write to, and is at
    most 20 KiB larger than both; it has a health check in exec form, and no shell."""
    binary = (ROOT / "build" / "autoheal").stat().st_size
    authorities = os.stat(CA_FILE).st_size
    assert image["Size"] <= binary + authorities + 20 * 1024, f"{image['Size']} bytes around a binary of {binary}"
    files = image_files(engine)
    assert files["bin/autoheal"] == (0o755, binary)
    assert files["data"][0] == 0o1777
    assert files[CA_FILE[1:]] == (0o644, authorities)
    assert {f for f in files if f} == {"bin", "bin/autoheal", "data", "etc", "etc/ssl", "etc/ssl/certs", CA_FILE[1:]}, files
    config = image["Config"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/bin/autoheal", "health"]
    assert config["Healthcheck"]["Interval"] <= 30 * 10**9
    assert {"AUTOHEAL_LISTEN=0.0.0.0:8080", "AUTOHEAL_DATA_DIR=/data"} <= set(config["Env"])


def test_heals_from_a_bare_container(engine, image):
    """With --network none --read-only --cap-drop ALL --memory 6m and only the socket's group, it heals another
    container, turns healthy by its own HEALTHCHECK, answers `docker exec`, and leaves at once with exit code 0 when
    it is stopped."""
    patient = engine.run("patient", labels=LABEL)
    service = run_autoheal(engine, "healer", Healthcheck={"Interval": 10**9})
    patient.wait_health("healthy")
    service.wait_health("healthy", 20)
    before = patient.started()
    patient.sick()
    patient.wait_restarted(before)
    patient.wait_health("healthy")
    assert service.exec("/bin/autoheal", "health") == 0
    assert service.exec("autoheal", "health") == 0, "PATH does not lead to it"
    wait(lambda: "patient" in engine.docker("logs", "healer").stderr, 5, "the heal in docker logs")
    state = service.inspect()
    assert (state["RestartCount"], state["State"]["OOMKilled"]) == (0, False)
    begun = time.monotonic()
    service.stop(t=30)
    took = time.monotonic() - begun
    state = service.state()
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False), engine.docker("logs", "--tail", "20", "healer").stderr
    assert took < 5, f"it took {took:.1f} s to stop"


def test_never_touches_itself(engine, image):
    """Labelled autoheal=true and made unhealthy, it does not restart itself, and heals another meanwhile."""
    service = run_autoheal(engine, "selfish", labels=LABEL, Healthcheck={
        "Test": ["CMD", "/bin/autoheal", "no-such-command"], "Interval": 10**9, "Timeout": 5 * 10**9, "Retries": 1})
    started = service.started()
    service.wait_health("unhealthy", 20)
    other = engine.run("other", labels=LABEL)
    other.wait_health("healthy")
    before = other.started()
    other.sick()
    other.wait_restarted(before)
    time.sleep(4.5)  # two audits see it unhealthy as well
    assert service.started() == started and service.state()["Running"]
    assert service.health() == "unhealthy", "the premise"
    assert [a for a, _ in service.events(actions=("kill", "stop", "die", "restart"))] == []


def test_socket_without_permission(engine, image):
    """Without the socket's group it says which gid is needed, keeps trying, and its HEALTHCHECK is unhealthy."""
    service = engine.create(
        "locked-out", image=IMAGE, cmd=[], User="65534:65534", health=None,
        Healthcheck={"Interval": 10**9, "Timeout": 5 * 10**9, "Retries": 1},
        host={"Binds": [f"{engine.sock}:/var/run/docker.sock"], "ReadonlyRootfs": True, "CapDrop": ["ALL"],
              "Tmpfs": {}}).start()
    service.wait_health("unhealthy", 20)
    log = engine.docker("logs", "locked-out").stderr
    assert str(engine.socket_gid()) in log, log
    assert service.state()["Running"]

"""The two commands a newcomer types: `make run` shows a heal, and leaves nothing behind."""
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time
import urllib.request

from engine import wait
from harness import ROOT


def traces(mark):
    """Processes and mounts that name the folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if mark in words:
                found.append(f"{entry.name} {words}")
    return found + [m for m in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if mark in m]


def test_make_run(tmp_path):
    """Where no engine answers, `make run` starts one with sample containers, prints the page's address with a token,
    heals the one that falls sick, and at Ctrl-C takes away every process, mount and folder."""
    folders = set(pathlib.Path("/tmp").glob("autoheal-run.*"))
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "AUTOHEAL", "DOCKER"))}
    env["DOCKER_HOST"] = f"unix://{tmp_path}/nobody.sock"
    process = subprocess.Popen(["make", "run"], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    said, end = "", time.monotonic() + 60
    made = set()
    try:
        def read(timeout=0.2):
            nonlocal said
            if select.select([process.stdout], [], [], timeout)[0]:
                said += os.read(process.stdout.fileno(), 65536).decode("utf-8", "replace")

        page = None
        while page is None and time.monotonic() < end and process.poll() is None:
            read()
            page = re.search(r"(http://(127\.0\.0\.1:\d+)/)#token=(\S+)", said)
        assert page, f"no address of a page; it said:\n{said}"
        made = set(pathlib.Path("/tmp").glob("autoheal-run.*")) - folders
        assert len(made) == 1

        def ask(path):
            request = urllib.request.Request(page.group(1) + path, headers={"Authorization": "Bearer " + page.group(3)})
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.load(answer)

        def recovered():
            read(0)
            try:
                return [e for e in ask("api/events") if e["event_type"] == "recovered"]
            except OSError:
                return []

        event = wait(recovered, 60, "the sick sample to recover", 0.5)[0]
        assert event["container_name"] == "sick-database"
        assert {c["name"]: c["monitored"] for c in ask("api/containers")} == \
            {"healthy-shop": True, "sick-database": True, "unlabelled": False}
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            rest, _ = process.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            rest, _ = process.communicate()
            rest += b"\n[still there 40 s after Ctrl-C, killed]"
        print(said + rest.decode("utf-8", "replace"))
    assert b"killed]" not in rest
    for folder in made:
        wait(lambda f=folder: not traces(f.name), 5, f"processes and mounts of {folder} to end")
        assert not folder.exists()

"""Nothing happens: then nothing is done."""
import re
import shutil
import subprocess
import time

import pytest

import harness
from steps import LABEL


@pytest.mark.alone
@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_no_system_call_between_audits(engine, autoheal):
    """Idle means asleep: strace of the shipped binary sees nothing for three seconds."""
    program = harness.ROOT / "build/autoheal"
    if not program.is_file():
        pytest.skip("build/autoheal is not built")
    for i in range(20):
        engine.add(f"web{i}", labels=LABEL)
    autoheal_process = autoheal(engine, program=program, AUTOHEAL_INTERVAL="30")
    harness.wait(lambda: voluntary_switches(autoheal_process.pid) == (time.sleep(1), voluntary_switches(autoheal_process.pid))[1],
                 10, "the start to settle")
    trace = subprocess.Popen(["strace", "-f", "-p", str(autoheal_process.pid)], stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(3.5)
    finally:
        trace.terminate()
        lines = trace.communicate()[1].splitlines()
    assert any("attached" in line for line in lines), lines
    calls = [line for line in lines if re.match(r"(\[pid +\d+\] )?[a-z0-9_]+\(", line)]
    # the call it sleeps in is shown when strace attaches and again when it leaves
    assert len(calls) <= 1 and all("select" in line for line in calls), calls


def voluntary_switches(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M).group(1))

"""Debian's prometheus and promtool (tools/fetch-prometheus.sh), and a reader of the text format that forgives nothing."""
import re
import shutil
import subprocess

from harness import ROOT

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")


def program(name):
    """The path of prometheus or promtool."""
    path = ROOT / "build" / "prometheus" / name
    found = str(path) if path.is_file() else shutil.which(name)
    assert found, f"no {name} here: run tools/install-packages.sh test"
    return found


def lint(text):
    """What promtool has to say against a text of metrics; "" when nothing."""
    done = subprocess.run([program("promtool"), "check", "metrics"], input=text.encode(), capture_output=True, timeout=60)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0 or said
    return said


def read(text):
    """{(name, (("label", "value"), ...)): value}; every sample stands under the HELP and TYPE of its own, once."""
    samples, family, seen = {}, None, set()
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    for number, line in enumerate(lines):
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in seen and len(line.split(" ", 3)[3]) > 5, line
            seen.add(family)
            assert re.fullmatch(rf"# TYPE {family} (counter|gauge|histogram)", lines[number + 1]), lines[number + 1]
            kind = lines[number + 1].split()[3]
            assert (kind == "counter") == family.endswith("_total"), family
        elif not line.startswith("# TYPE "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels = match.group(1), tuple((m[1], m[2]) for m in re.finditer(LABEL, match.group(2) or ""))
            assert name in ([family + s for s in ("_bucket", "_sum", "_count")] if kind == "histogram" else [family]), line
            assert (name, labels) not in samples, f"twice: {line}"
            samples[name, labels] = float(match.group(7))
    return samples

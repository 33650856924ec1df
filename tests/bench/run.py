#!/usr/bin/python3
"""run.py [--quick] [--only NAME[,NAME]] - measures the shipped binary and prints a table; that of a whole run is kept in build/bench.txt.

Parts: latency, real, memory, events, audit, idle, start, size. Everything but `real` runs against bench_engine, a scripted
engine in C. What is compared is measured in the same run: the heal beside a bare C client that does only that, the
memory beside an empty static program. Standard library only.
"""
import argparse
import json
import os
import pathlib
import platform
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "real")]
sys.dont_write_bytecode = True

import harness  # noqa: E402

BUILT = ROOT / "build" / "bench"
WARN = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow".split()
AT_ONCE = {"AUTOHEAL_COOLDOWN": "0", "AUTOHEAL_MAX_RESTARTS": "0", "AUTOHEAL_BACKOFF": "false", "AUTOHEAL_STORM": "off"}
SELDOM = {"AUTOHEAL_INTERVAL": "3600"}

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # for sockets and logs: no figure shall wait for a disk


def compile_all():
    BUILT.mkdir(parents=True, exist_ok=True)
    for name, compiler in (("bench_engine", ["gcc"]), ("recorder", ["gcc"]), ("bare_client", ["musl-gcc", "-static"]),
                           ("empty", ["musl-gcc", "-static"])):
        target, sources = BUILT / name, [HERE / f"{name}.c", HERE / "bench.h"]
        if not target.exists() or any(s.stat().st_mtime > target.stat().st_mtime for s in sources):
            subprocess.run([*compiler, "-std=c11", "-O2", *WARN, "-o", target, sources[0]], check=True)


def pinned(core):
    """Two cores: the engine has one, what is measured has the other."""
    return ["taskset", "-c", str(core)] if (os.cpu_count() or 1) > 1 else []


def prompt():
    """Real-time priority, for engine and client alike where a time is measured: what else the machine does at that moment
    is not what we want to know."""
    return ["chrt", "-f", "10"] if os.geteuid() == 0 else []


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


class Table:
    """Rows as they come: what, figure, target, note. The mark says whether the target is met."""

    def __init__(self):
        self.rows = []

    def add(self, what, figure, target="", met=None, note=""):
        row = (what, figure, target, {None: "", True: "ok", False: "MISSED"}[met], note)
        self.rows.append(row)
        print("  %-58s %14s  %-14s %-7s %s" % row, flush=True)

    def text(self):
        widths = [max(len(r[i]) for r in self.rows) for i in range(5)]
        return "\n".join(f"{r[0]:<{widths[0]}}  {r[1]:>{widths[1]}}  {r[2]:<{widths[2]}}  {r[3]:<{widths[3]}}  {r[4]}".rstrip()
                         for r in self.rows)


class FakeEngine:
    def __init__(self, folder, containers, wrapper=()):
        self.sock = f"{folder}/engine.sock"
        self.host = "unix://" + self.sock
        self.process = subprocess.Popen([*pinned(0), *wrapper, BUILT / "bench_engine", self.sock, str(containers)],
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "listening\n"

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer or answer.startswith("error"):
            raise RuntimeError(f"bench_engine: {command}: {answer or 'ended'}")
        return answer

    def counts(self):
        return {k: int(v) for k, v in (word.split("=") for word in self.ask("counts").split()[1:])}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Bare:
    """The bare client, with the few words of harness.Autoheal that are needed here."""

    def __init__(self, sock, wrapper=()):
        self.process = subprocess.Popen([*wrapper, *prompt(), BUILT / "bare_client", sock])
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait()


def autoheal(folder, engine, wrapper=(), core=1, **settings):
    if core is not None:
        wrapper = [*pinned(core), *wrapper]
    return harness.Autoheal(folder, docker_host=engine.host, program=PROGRAM, wrapper=wrapper, **settings)


def status_kib(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def cpu_ms(pid):
    """Time on a core, by the scheduler's own clock (utime + stime are ticks of 10 ms)."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def ticks_ms(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


# ---- the parts ---------------------------------------------------------------------------------------


def latency(table, folder, quick):
    rounds, repeats = (300, 1) if quick else (2000, 3)
    samples = {"bare": [], "autoheal": []}

    def measure(engine, name):
        path = f"{folder}/latency"
        engine.ask(f"latency {rounds} {path}")
        samples[name] += [int(line) / 1000 for line in open(path, encoding="ascii")]

    for _ in range(repeats):  # by turns, so that both meet the same machine
        with FakeEngine(folder, 2000, prompt()) as engine, Bare(engine.sock, pinned(1)):
            engine.ask("stream 100")
            measure(engine, "bare")
        with FakeEngine(folder, 2000, prompt()) as engine, \
                autoheal(folder, engine, prompt(), **AT_ONCE, **SELDOM):
            engine.ask("ready 300")
            measure(engine, "autoheal")
    for name, values in samples.items():
        for p in (50, 90, 99):
            table.add(f"heal: event written -> restart read, {name}, p{p}", f"{percentile(values, p):.1f} us",
                      "< 1000 us" if (name, p) == ("autoheal", 99) else "",
                      percentile(values, p) < 1000 if (name, p) == ("autoheal", 99) else None,
                      f"{len(values)} heals" if p == 50 else "")
    for p in (50, 90, 99):
        ratio = percentile(samples["autoheal"], p) / percentile(samples["bare"], p)
        table.add(f"heal: autoheal / bare client, p{p}", f"{ratio:.2f}", "<= 1.2" if p == 50 else "",
                  ratio <= 1.2 if p == 50 else None)


def real(table, folder, quick):
    import engine as real_engine
    import recorder as real_recorder
    try:
        with real_engine.Engine() as docker:
            # One container, made sick again and again by its file on the host. A second one whose start falls together
            # with the event would measure the kernel: making a container holds a core for tens of milliseconds.
            container = docker.run("bench", labels={"autoheal": "true"}, interval=0.2, control=True)
            middle = {}
            for name in ("bare", "autoheal"):
                place = pathlib.Path(folder) / name
                place.mkdir()
                proxy = real_recorder.Recorder(BUILT / "recorder", docker, place, prompt())
                try:
                    client = Bare(proxy.sock) if name == "bare" else autoheal(place, proxy, prompt(), None,
                                                                                   **AT_ONCE, **SELDOM)
                    with client:
                        if name == "autoheal":
                            client.wait_ready()
                        else:
                            real_engine.wait(lambda: proxy.requests("GET", "/events"), 5, "the stream")  # noqa: B023
                            time.sleep(0.3)
                        took = real_rounds(proxy, container, 5 if quick else 100)
                finally:
                    proxy.close()
                middle[name] = percentile(took, 50)
                for p, word in ((50, "p50"), (90, "p90"), (99, "p99")):
                    table.add(f"heal, real engine: event -> restart, {name}, {word}", f"{percentile(took, p):.0f} us",
                              "< 1000 us" if (name, p) == ("autoheal", 99) else "",
                              percentile(took, p) < 1000 if (name, p) == ("autoheal", 99) else None,
                              f"{len(took)} heals" if p == 50 else "")
            table.add("heal, real engine: autoheal / bare client, p50", f"{middle['autoheal'] / middle['bare']:.2f}")
    except real_engine.EngineError as e:
        table.add("heal, real engine", "-", note=str(e).splitlines()[0])


def real_rounds(proxy, container, rounds):
    import engine as real_engine

    for n in range(1, rounds + 1):
        container.wait_health("healthy", 20)
        container.sick()
        real_engine.wait(lambda: len(proxy.restarts(container)) >= n, 20, "the restart", 0.05)  # noqa: B023
    container.wait_health("healthy", 20)
    return [(r - e) / 1000 for e, r in zip(proxy.unhealthy(container), proxy.restarts(container))]


def memory(table, folder, quick):
    with subprocess.Popen([BUILT / "empty"]) as empty:
        time.sleep(0.2)
        anon, rss = status_kib(empty.pid, "RssAnon"), status_kib(empty.pid, "VmRSS")
        empty.kill()
    table.add("memory: RssAnon, an empty static program", f"{anon} KiB", note=f"VmRSS {rss} KiB")
    size = PROGRAM.stat().st_size / 1024
    for count, limit in ((1, 153.6), (100, 153.6), (1000, 460.8)) + (() if quick else ((10000, 3072.0),)):
        with FakeEngine(folder, count) as engine, autoheal(folder, engine, AUTOHEAL_INTERVAL="1") as service:
            engine.ask("ready 200")
            engine.ask("serve 4000")
            engine.ask("ready 200")
            anon, rss = status_kib(service.pid, "RssAnon"), status_kib(service.pid, "VmRSS")
            table.add(f"memory: RssAnon, watching {count}", f"{anon} KiB", f"<= {limit:.0f} KiB", anon <= limit,
                      f"VmRSS {rss} KiB, HWM {status_kib(service.pid, 'VmHWM')} KiB, binary {size:.0f} KiB")


def events(table, folder, quick):
    count = 200_000 if quick else 2_000_000
    with FakeEngine(folder, 100) as engine, autoheal(folder, engine, **AT_ONCE, **SELDOM) as service:
        engine.ask("ready 300")
        engine.ask("flood 1000")
        anon = status_kib(service.pid, "RssAnon")
        rates, notes = [], []
        for _ in range(3):  # the best counts: a neighbour on the same core's other thread costs up to a third
            cpu, ticks = cpu_ms(service.pid), ticks_ms(service.pid)
            engine.ask(f"flood {count}")
            cpu, ticks = cpu_ms(service.pid) - cpu, ticks_ms(service.pid) - ticks
            rates.append(count / cpu * 1000)
            notes.append(f"{rates[-1]:,.0f} (utime + stime {ticks:.0f} ms)")
        table.add("events: 700 bytes, 10 labels, per CPU second", f"{max(rates):,.0f}", ">= 400,000", max(rates) >= 400_000,
                  f"best of 3 x {count:,}: " + ", ".join(notes))
        engine.ask("ready 300")
        grown = status_kib(service.pid, "RssAnon") - anon
        table.add("events: growth of RssAnon meanwhile", f"{grown} KiB", "0 KiB", grown <= 4)


def audit(table, folder, quick):
    count = 1000 if quick else 10000
    with FakeEngine(folder, count) as engine, autoheal(folder, engine, AUTOHEAL_INTERVAL="1") as service:
        engine.ask("ready 100")
        before, cpu = engine.counts(), cpu_ms(service.pid)
        engine.ask("serve 10000")
        after, cpu = engine.counts(), cpu_ms(service.pid) - cpu
        audits = after["list"] - before["list"]
        each = cpu / max(audits, 1)
        table.add(f"audit of {count:,} containers, CPU", f"{each:.1f} ms", "< 150 ms", audits > 0 and each < 150,
                  f"{audits} audits, {(after['inspect'] - before['inspect']) / max(audits, 1):.1f} inspects each")


def idle(table, folder, quick):
    with FakeEngine(folder, 100) as engine, autoheal(folder, engine, AUTOHEAL_INTERVAL="30") as service:
        engine.ask("serve 2000")  # it asks who it is itself, once
        engine.ask("ready 500")
        out = f"{folder}/strace"
        trace = subprocess.Popen(["strace", "-f", "-c", "-o", out, "-p", str(service.pid)], stderr=subprocess.DEVNULL)
        engine.ask(f"serve {2000 if quick else 10000}")
        trace.send_signal(2)
        trace.wait()
        text = pathlib.Path(out).read_text() if os.path.exists(out) else ""
        calls = {}
        for line in text.splitlines():  # % time, seconds, usecs/call, calls, [errors,] syscall
            words = line.split()
            if len(words) >= 5 and words[0][0].isdigit() and words[-1] != "total":
                calls[words[-1]] = int(words[3])
        total = sum(calls.values())
        table.add(f"idle: system calls in {2 if quick else 10} s between audits", str(total), "0", total == 0,
                  " ".join(f"{name}:{n}" for name, n in calls.items()))
        if quick:
            return
        before, cpu, switches = engine.counts(), cpu_ms(service.pid), status_kib(service.pid, "voluntary_ctxt_switches")
        engine.ask("serve 60000")
        after, cpu = engine.counts(), cpu_ms(service.pid) - cpu
        asked = sum(after[k] - before[k] for k in ("list", "inspect", "events", "other"))
        table.add("idle minute watching 100: CPU", f"{cpu:.1f} ms", "<= 5 ms", cpu <= 5,
                  f"{after['list'] - before['list']} audits, {asked} requests, "
                  f"{status_kib(service.pid, 'voluntary_ctxt_switches') - switches} wake-ups")


def start(table, folder, quick):
    took = []
    for _ in range(5 if quick else 20):
        with FakeEngine(folder, 100) as engine:
            service = autoheal(folder, engine, **SELDOM)
            begun = service.started_at
            try:
                while True:
                    if healthy(service.port):
                        break
                    if time.monotonic() - begun > 10:
                        raise RuntimeError("no first audit in 10 s")
                    time.sleep(0.0002)
                took.append((time.monotonic() - begun) * 1000)
            finally:
                service.close()
    table.add("start to first audit finished, watching 100, p50", f"{percentile(took, 50):.1f} ms", "<= 20 ms",
              percentile(took, 50) <= 20, f"slowest of {len(took)}: {max(took):.1f} ms, after exec, seen through /health")


def healthy(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return s.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def size(table, folder, quick):
    del folder, quick
    n = PROGRAM.stat().st_size
    table.add("size: binary", f"{n / 1024:.1f} KiB", "<= 300 KiB", n <= 300 * 1024, f"{n} bytes")


PARTS = {f.__name__: f for f in (latency, real, memory, events, audit, idle, start, size)}


def machine():
    model = platform.machine()
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return f"{time.strftime('%Y-%m-%d %H:%M')}  {model}, {os.cpu_count()} cores, Linux {platform.release()}, " \
           f"load {os.getloadavg()[0]:.2f}, commit {commit.stdout.strip() or '-'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: does it work at all")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas: " + ", ".join(PARTS))
    parser.add_argument("--json", help="write the rows there as JSON too")
    args = parser.parse_args()
    chosen = args.only.split(",")
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]}; there are {', '.join(PARTS)}")
    global PROGRAM
    try:
        PROGRAM = harness.binary(prefer_sanitized=False)
    except FileNotFoundError as e:
        sys.exit(str(e))
    compile_all()
    table, failed, head = Table(), 0, machine()
    print(head, flush=True)
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="autoheal-bench-", dir=MEMORY) as folder:
            try:
                PARTS[name](table, folder, args.quick)
            except (RuntimeError, AssertionError, OSError, subprocess.SubprocessError) as e:
                failed = 1
                table.add(name, "FAILED", note=(str(e).splitlines() or [repr(e)])[0][:200])
    if chosen == list(PARTS) and not args.quick:
        out = ROOT / "build" / "bench.txt"
        out.write_text(head + "\n\n" + table.text() + "\n")
        print(f"kept in {out.relative_to(ROOT)}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"machine": head, "rows": table.rows}, indent=1))
    return failed


if __name__ == "__main__":
    sys.exit(main())

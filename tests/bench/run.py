#!/usr/bin/python3
"""run.py [--quick] [--only NAME[,NAME]] - measures the shipped binary and prints a table; that of a whole run is kept in build/bench.txt.

Parts: latency, tls, real, memory, policy, handshake, storm, ten, events, audit, idle, api, followers, start, size. Everything but `real` runs against
bench_engine, scripted engines in C. What is compared is measured in the same run: the heal beside a bare C client that does
only that, the memory beside an empty static program, mutual TLS beside the unix socket. Standard library only.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "real"), str(HERE.parent / "page")]
sys.dont_write_bytecode = True

import browser  # noqa: E402
import harness  # noqa: E402

BUILT = ROOT / "build" / "bench"
WARN = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow".split()
AT_ONCE = {"AUTOHEAL_COOLDOWN": "0", "AUTOHEAL_MAX_RESTARTS": "0", "AUTOHEAL_BACKOFF": "false", "AUTOHEAL_STORM": "off"}
SELDOM = {"AUTOHEAL_INTERVAL": "3600"}

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # for sockets and logs: no figure shall wait for a disk


def compile_all():
    BUILT.mkdir(parents=True, exist_ok=True)
    static = ["musl-gcc", "-static"]
    ours = [ROOT / "build/bearssl/musl/libbearssl.a",
            *(o for o in sorted((ROOT / "build/obj").glob("*.o")) if o.name != "autoheal.o")]
    for name, compiler, parts in (
            ("bench_engine", ["gcc"], ["-lssl", "-lcrypto"]), ("bare_tls_client", ["gcc"], ["-lssl", "-lcrypto"]),
            ("recorder", ["gcc"], []), ("bare_client", static, []), ("empty", static, []),
            ("decisions", [*static, "-I", ROOT, "-isystem", ROOT / "build/include",
                           "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free"], [*ours[1:], ours[0]]),
            ("handshake", [*static, "-I", ROOT], [*ours[1:], ours[0]])):
        target = BUILT / name
        sources = [HERE / f"{name}.c", HERE / "bench.h", *(p for p in parts if isinstance(p, pathlib.Path))]
        if not target.exists() or any(s.stat().st_mtime > target.stat().st_mtime for s in sources):
            subprocess.run([*compiler, "-std=c11", "-O2", *WARN, "-o", target, HERE / f"{name}.c", *parts], check=True)


KINDS = {"P-256": "EC -pkeyopt ec_paramgen_curve:P-256", "RSA-2048": "RSA -pkeyopt rsa_keygen_bits:2048",
         "RSA-4096": "RSA -pkeyopt rsa_keygen_bits:4096"}


def certificates(kind):
    """A folder with a CA, ca.pem, the client's cert.pem and key.pem, and the engine's server.pem and server.key, all with
    keys of this kind. Kept from run to run: RSA-4096 takes seconds to make."""
    folder = BUILT / "certificates" / kind
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["sh", "-euc", f"""
            key() {{ openssl genpkey -algorithm {KINDS[kind]} -out $1; }}
            cert() {{ key $2; openssl req -new -key $2 -subj "/CN=$1" -out csr; printf '%s\\n' "$3" > ext
                openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile ext -out $1.pem; }}
            key ca.key
            openssl req -x509 -new -key ca.key -subj /CN=bench-ca -days 3650 -out ca.pem
            cert server server.key subjectAltName=IP:127.0.0.1
            cert cert key.pem extendedKeyUsage=clientAuth
            touch done"""], cwd=folder, check=True, capture_output=True)
    return folder


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
    """bench_engine: one engine at a unix socket; or `engines` of them at TCP ports, with `tls`, a folder of
    certificates, over mutual TLS."""

    def __init__(self, folder, containers, wrapper=(), engines=None, tls=None):
        if engines is None and tls is None:
            self.sock = f"{folder}/engine.sock"
            args = [self.sock, str(containers)]
        else:
            args = [f"{tls}/" if tls else "tcp", str(containers), str(engines or 1)]
        self.process = subprocess.Popen([*pinned(0), *wrapper, BUILT / "bench_engine", *args],
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        first = self.process.stdout.readline().split()
        assert first[:1] == ["listening"], first
        self.ports = [int(port) for port in first[1:]]
        self.settings = {"DOCKER_CERT_PATH": tls} if tls else {}
        if not self.ports:
            self.host = "unix://" + self.sock
        elif len(self.ports) == 1:
            self.host = f"{'https' if tls else 'tcp'}://127.0.0.1:{self.ports[0]}"
        else:
            self.host = None
            self.settings["AUTOHEAL_HOSTS"] = ",".join(
                f"engine-{n:02}={'https' if tls else 'tcp'}://127.0.0.1:{port}" for n, port in enumerate(self.ports))

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

    def __init__(self, *args, wrapper=(), program="bare_client"):
        self.process = subprocess.Popen([*wrapper, *prompt(), BUILT / program, *map(str, args)])
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait()


def autoheal(folder, engine, wrapper=(), core=1, **settings):
    if core is not None:
        wrapper = [*pinned(core), *wrapper]
    settings = {**getattr(engine, "settings", {}), **settings}
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


def turns_of(trace):
    """strace in front of the program, told to follow select() alone: it stops nothing else, and the process keeps its
    number."""
    return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-ttt", "-T", "-e", "trace=select,pselect6", "-e", "signal=none",
            "-o", trace]


def longest_turn_ms(trace, since, until):
    """The longest time between two waits of the loop, of those that ended between two moments of the wall clock."""
    longest, awake = 0.0, None
    for line in pathlib.Path(trace).read_text().splitlines():
        hit = re.match(r"\d+ +(\d+\.\d+) p?select6?\(.*<(\d+\.\d+)>$", line)
        if not hit:
            continue
        asleep = float(hit[1])
        if awake is not None and since <= asleep <= until:
            longest = max(longest, asleep - awake)
        awake = asleep + float(hit[2])
    return longest * 1000


# ---- the parts ---------------------------------------------------------------------------------------


def latency(table, folder, quick):
    rounds, repeats = (300, 1) if quick else (2000, 3)
    samples = {"bare": [], "autoheal": []}

    def measure(engine, name):
        path = f"{folder}/latency"
        engine.ask(f"latency {rounds} {path} 1")
        samples[name] += [int(line) / 1000 for line in open(path, encoding="ascii")]

    for _ in range(repeats):  # by turns, so that both meet the same machine
        with FakeEngine(folder, 2000, prompt()) as engine, Bare(engine.sock, wrapper=pinned(1)):
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


def tls(table, folder, quick):
    """The heal over mutual TLS. autoheal makes a new spare 100 ms after it has used one, and each round waits for that; the
    others have the same pauses, so that all are woken from the same sleep."""
    rounds, repeats = (20, 1) if quick else (60, 2)
    samples, carried = {"unix socket": [], "bare over TLS": [], "over TLS": []}, {}
    folder_of_keys = certificates("P-256")

    def measure(engine, name):
        path = f"{folder}/latency"
        carried[name] = carried.get(name, 0) + int(engine.ask(f"latency {rounds} {path} 120").split()[2])
        samples[name] += [int(line) / 1000 for line in open(path, encoding="ascii")]

    for _ in range(repeats):
        with FakeEngine(folder, 200, prompt()) as engine, autoheal(folder, engine, prompt(), **AT_ONCE, **SELDOM):
            engine.ask("ready 300")
            measure(engine, "unix socket")
        with FakeEngine(folder, 200, prompt(), tls=folder_of_keys) as engine, \
                Bare(engine.ports[0], folder_of_keys, wrapper=pinned(1), program="bare_tls_client"):
            engine.ask("stream 100")
            measure(engine, "bare over TLS")
        with FakeEngine(folder, 200, prompt(), tls=folder_of_keys) as engine, \
                autoheal(folder, engine, prompt(), **AT_ONCE, **SELDOM):
            engine.ask("ready 300")
            measure(engine, "over TLS")
    for name, values in samples.items():
        for p in (50, 90, 99):
            table.add(f"heal, P-256: event written -> restart read, {name}, p{p}", f"{percentile(values, p):.1f} us",
                      note=f"{len(values)} heals" if p == 50 else "")
    table.add("heal over TLS: carried by the spare connection", f"{carried['over TLS']} of {len(samples['over TLS'])}",
              "all", carried["over TLS"] == len(samples["over TLS"]))
    middle = {name: percentile(values, 50) for name, values in samples.items()}
    table.add("heal over TLS: autoheal / bare client, p50", f"{middle['over TLS'] / middle['bare over TLS']:.2f}")
    table.add("heal over TLS / over the unix socket, p50", f"{middle['over TLS'] / middle['unix socket']:.2f}")


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
        anon, note = standing_memory(folder, count, None)
        table.add(f"memory: RssAnon, watching {count}", f"{anon} KiB", f"<= {limit:.0f} KiB", anon <= limit,
                  f"{note}, binary {size:.0f} KiB")
        if count > 1000:
            continue
        secured, note = standing_memory(folder, count, certificates("P-256"))
        table.add(f"memory: the same over mutual TLS, watching {count}", f"{secured} KiB", "<= 102 KiB more",
                  secured - anon <= 102, f"{secured - anon} KiB more; {note}")


def standing_memory(folder, count, tls_folder):
    """RssAnon with the stream standing, with TLS the spare too, and an audit every second."""
    with FakeEngine(folder, count, tls=tls_folder) as engine, autoheal(folder, engine, AUTOHEAL_INTERVAL="1") as service:
        engine.ask("ready 200")
        engine.ask("serve 4000")
        engine.ask("ready 200")
        if tls_folder and engine.ask("spare") != "spare 1":
            raise RuntimeError("no spare connection stands")
        return status_kib(service.pid, "RssAnon"), \
            f"VmRSS {status_kib(service.pid, 'VmRSS')} KiB, HWM {status_kib(service.pid, 'VmHWM')} KiB"


def policy(table, folder, quick):
    """The policy alone: its own objects, linked into a program that plays eight events for each heal."""
    rates = []
    for _ in range(1 if quick else 3):
        out = subprocess.run([*pinned(1), BUILT / "decisions", "heals", "20000" if quick else "500000"], check=True,
                             capture_output=True, text=True).stdout.split()
        rates.append(int(out[0]) / (int(out[1]) / 1e6))
    table.add("policy: decisions per CPU second", f"{max(rates):,.0f}", note="best of " + ", ".join(f"{r:,.0f}" for r in rates))
    asked, pages = map(int, subprocess.run([BUILT / "decisions", "memory", "10000"], check=True, capture_output=True,
                                           text=True).stdout.split())
    table.add("policy: bytes per watched container, of 10,000", f"{asked / 10000:.0f}", "<= 256", asked <= 2560000,
              f"RssAnon {pages / 10000:.0f}")


def handshake(table, folder, quick):
    for kind in KINDS:
        with FakeEngine(folder, 1, prompt(), tls=certificates(kind)) as engine:
            count = (20 if quick else 100) // (4 if kind == "RSA-4096" else 1)
            out = subprocess.run([*pinned(1), *prompt(), BUILT / "handshake", str(engine.ports[0]), certificates(kind),
                                  str(count)], check=True, capture_output=True, text=True, timeout=60).stdout
        middle, mean, step = map(float, out.split())
        table.add(f"TLS handshake, {kind}: CPU of our side, median", f"{middle / 1000:.2f} ms",
                  note=f"{count} handshakes, mean {mean / 1000:.2f} ms")
        table.add(f"TLS handshake, {kind}: the longest single step", f"{step / 1000:.2f} ms")


STORM = 50  # engines


def storm(table, folder, quick):
    """Many engines in one autoheal, and every connection cut at once."""
    for kind in (None, "P-256") if quick else (None, "P-256", "RSA-2048"):
        words = f"{STORM} engines, {'TLS, ' + kind if kind else 'plain'}"
        with FakeEngine(folder, 20, prompt(), engines=STORM, tls=kind and certificates(kind)) as engine:
            launched = time.monotonic_ns()
            with autoheal(folder, engine, prompt(), **SELDOM) as service:
                took = (int(engine.ask("watched").split()[1]) - launched) / 1e6
                table.add(f"{words}: start to all watched", f"{took:.0f} ms", note=f"CPU {cpu_ms(service.pid):.0f} ms")
                engine.ask("ready 500")
                anon = status_kib(service.pid, "RssAnon")
                cuts, costs = [], []
                for _ in range(1 if quick else 3):
                    engine.ask("serve 1200")  # a stream that stood a second is asked for again at once
                    before = cpu_ms(service.pid)
                    cuts.append(int(engine.ask("cut").split()[1]) / 1e6)
                    costs.append(cpu_ms(service.pid) - before)
                    engine.ask("ready 300")
                counts = engine.counts()
                table.add(f"{words}: all cut to all watched again", f"{percentile(cuts, 50):.0f} ms",
                          note=f"CPU {percentile(costs, 50):.0f} ms; of {len(cuts)}: "
                               + ", ".join(f"{c:.0f}" for c in cuts) + f" ms; {counts['events']} streams were asked for")
                table.add(f"{words}: RssAnon, {20 * STORM} containers", f"{anon} KiB",
                          note=f"{status_kib(service.pid, 'RssAnon')} KiB after the cuts")


def ten(table, folder, quick):
    """Ten containers of one engine fail in one breath: one request has the spare, the others a handshake each."""
    for kind in (None, "P-256", "RSA-2048") if quick else (None, *KINDS):
        rounds, moments, trace = [], [], f"{folder}/trace"
        with FakeEngine(folder, 100, prompt(), tls=kind and certificates(kind)) as engine, \
                autoheal(folder, engine, [*prompt(), *turns_of(trace)], **AT_ONCE, **SELDOM) as service:
            engine.ask("ready 500")
            for _ in range(2 if quick else 5):
                moments.append(time.time())
                rounds.append(list(map(int, engine.ask("heals 10").split()[1:])))
                engine.ask("ready 300")
            moments.append(time.time())
            service.stop()
        first, last = (percentile([r[k] / 1e6 for r in rounds], 50) for k in (0, 1))
        words = f"ten heals at once, {'TLS, ' + kind if kind else 'unix socket'}"
        table.add(f"{words}: all ten requests read", f"{last:.1f} ms",
                  note=f"the first after {first:.2f} ms, "
                       f"{percentile([r[2] for r in rounds], 50)} by the spare; median of {len(rounds)}")
        turns = [longest_turn_ms(trace, *window) for window in zip(moments, moments[1:])]
        # the median: the kernel itself takes 50 ms of a second from who has real-time priority and never rests
        table.add(f"{words}: longest turn of the loop", f"{percentile(turns, 50):.2f} ms",
                  note=f"work between two waits, by strace; longest of each round: {', '.join(f'{t:.1f}' for t in turns)}")


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


CLIENTS = 50


def wrk(address, seconds):
    """The clients: percentiles in ms, answers a second. Behind the engine's and autoheal's priority, they have what is left."""
    out = subprocess.run([*pinned(0), "wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--latency", "--timeout", "20s", address],
                         check=True, capture_output=True, text=True).stdout
    units = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    found = {p: float(n) * units[u] for p, n, u in re.findall(r"(\d+)% +([\d.]+)(us|ms|s)", out)}
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError("wrk: " + " ".join(out.split()[-40:]))
    return found["50"], found["99"], float(re.search(r"Requests/sec: +([\d.]+)", out)[1])


def api(table, folder, quick):
    """Fifty keep-alive clients that ask without a pause, and heals meanwhile, a new one every 10 ms."""
    rounds, seconds = (50, 2) if quick else (300, 8)
    with FakeEngine(folder, 1000, prompt()) as engine, \
            autoheal(folder, engine, **AT_ONCE, **SELDOM) as service:  # no real-time priority: it is not to be throttled
        engine.ask("ready 300")

        def heals():
            engine.ask(f"latency {rounds} {folder}/latency 10")
            return [int(line) / 1000 for line in open(f"{folder}/latency", encoding="ascii")]

        heals()  # fills the ring of events
        idle = heals()
        table.add("api: heal with nobody asking, p50 / p99", f"{percentile(idle, 50):.0f} / {percentile(idle, 99):.0f} us")
        for path in ("/api/events", "/api/containers", "/metrics", "/health"):
            answer = []
            clients = threading.Thread(
                target=lambda: answer.append(wrk(f"http://127.0.0.1:{service.port}{path}", seconds)))  # noqa: B023
            clients.start()
            time.sleep(0.5)
            busy = heals()
            clients.join()
            p50, p99, rate = answer[0]
            table.add(f"api: GET {path}, {CLIENTS} clients, p50 / p99", f"{p50:.1f} / {p99:.1f} ms", note=f"{rate:,.0f} a second")
            ratio = percentile(busy, 50) / percentile(idle, 50)
            table.add("api: heal meanwhile / with nobody asking, p50", f"{ratio:.2f}", "<= 2", ratio <= 2,
                      f"{percentile(busy, 50):.0f} us, p99 {percentile(busy, 99):.0f} us")


def followers(table, folder, quick):
    """Thirty pages that follow the events, while containers are healed."""
    with FakeEngine(folder, 100) as engine, autoheal(folder, engine, **AT_ONCE, **SELDOM) as service:
        engine.ask("ready 300")
        alone = status_kib(service.pid, "RssAnon")
        pages = []
        for _ in range(30):
            page = socket.create_connection(("127.0.0.1", service.port), 5)
            page.sendall(b"GET /api/events/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            pages.append(page)
        engine.ask("ready 300")
        waiting = status_kib(service.pid, "RssAnon")
        engine.ask(f"latency {20 if quick else 200} {folder}/latency 10")
        engine.ask("ready 300")
        heard = [page.recv(1 << 20).count(b"\nid: ") + 1 for page in pages]
        busy = status_kib(service.pid, "RssAnon")
        table.add("events followed by 30 clients: RssAnon", f"{busy} KiB", "<= 1024 KiB", busy <= 1024,
                  f"{alone} KiB without them, {waiting} KiB while they wait; each has heard {min(heard)} events or more")
        for page in pages:
            page.close()


def page(table, folder, quick):
    """When Chromium, by its own timing, first painted something of the page, and when the table of containers stood."""
    if browser.missing():
        table.add("page: first contentful paint", "left out", note=browser.missing())
        return
    paint, filled, bare = [], [], []
    with FakeEngine(folder, 100) as engine, autoheal(folder, engine, core=None, **SELDOM) as service, browser.Browser() as chromium:
        for _ in range(3 if quick else 11):
            seen = chromium.page(f"http://127.0.0.1:{service.port}/", init="""
                new MutationObserver((_, o) => document.querySelector('#container-rows tr') && (o.disconnect(), window.filled = performance.now()))
                    .observe(document, {childList: true, subtree: true});""")
            seen.wait("window.filled && performance.getEntriesByName('first-contentful-paint').length")
            paint.append(seen.js("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            filled.append(seen.js("window.filled"))
            plain = chromium.page(f"http://127.0.0.1:{service.port}/health")  # a line of text: what the browser itself takes
            plain.wait("performance.getEntriesByName('first-contentful-paint').length")
            bare.append(plain.js("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    table.add("page: first contentful paint, nothing kept, p50", f"{percentile(paint, 50):.0f} ms", "< 100 ms", percentile(paint, 50) < 100,
              f"slowest of {len(paint)}: {max(paint):.0f} ms; 100 containers stand there after {percentile(filled, 50):.0f} ms; "
              f"a line of text (/health): {percentile(bare, 50):.0f} ms")


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


PARTS = {f.__name__: f for f in (latency, tls, real, memory, policy, handshake, storm, ten, events, audit, idle, api, followers, page, start, size)}


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

"""A proxy between autoheal and an engine that timestamps what matters: tests/bench/recorder.c, started and read."""
import os
import pathlib
import subprocess

from engine import wait

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "bench" / "recorder.c"


def build(target):
    subprocess.run([os.environ.get("HOSTCC", "gcc"), "-std=c11", "-O2", "-o", target, SOURCE], check=True)
    return target


class Recorder:
    """A proxy in front of the engine's socket that tells when an `unhealthy` and when a request came through."""

    def __init__(self, program, engine, folder, wrapper=()):
        self.sock = str(engine.folder / f"recorder-{folder.name[-20:]}.sock")
        self.host = "unix://" + self.sock
        self.out = os.memfd_create("recorder")  # a file on a disk would make it wait for the disk
        self.process = subprocess.Popen([*wrapper, program, self.sock, engine.sock], stdout=self.out)
        wait(lambda: "ready\n" in self._text(), 5, "the recorder")

    def _text(self):
        return os.pread(self.out, os.fstat(self.out).st_size, 0).decode("utf-8", "replace")

    def _lines(self, kind):
        lines = self._text().splitlines(keepends=True)
        return [line.split() for line in lines if line.startswith(kind + " ") and line.endswith("\n")]

    def unhealthy(self, container):
        """When each 'unhealthy' of the container was read from the engine, in nanoseconds."""
        return [int(line[1]) for line in self._lines("event") if line[2] == container.id]

    def requests(self, method=None, contains=""):
        """[(nanoseconds, method, target)]"""
        return [(int(line[1]), line[2], line[3]) for line in self._lines("request")
                if method in (None, line[2]) and contains in line[3]]

    def restarts(self, container):
        """When each restart of the container was asked for, in nanoseconds."""
        return [at for at, _, target in self.requests("POST", "/restart") if container.id[:12] in target]

    def close(self):
        self.process.terminate()
        self.process.wait()
        requests = self.requests()
        os.close(self.out)
        for _, method, target in requests:
            assert method in ("GET", "HEAD", "POST"), f"autoheal never removes: {method} {target}"
            assert "/rename" not in target and "/create" not in target, f"nor renames or creates: {method} {target}"

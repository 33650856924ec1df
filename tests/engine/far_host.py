"""A host that is reached over a cable (a veth pair into a network namespace) which a test may cut."""
import ctypes
import itertools
import os
import shutil
import subprocess
import threading

import pytest

CLONE_NEWNET = 0x40000000
_counter = itertools.count(1)


def ip(*args, check=True):
    return subprocess.run(["ip", *args], capture_output=True, text=True, check=check)


class FarHost:
    """The namespace, our end of the cable and its own. `with far:` is there (this thread), out of it is here."""

    def __init__(self):
        if os.geteuid() != 0:
            pytest.skip("a network namespace needs root")
        if not shutil.which("ip"):
            pytest.skip("no ip here (apt-get install iproute2)")
        number = os.getpid() % 8192 * 4 + next(_counter) % 4      # a /30 and names of its own for each host
        self.name, self.here, self.there = f"ah-far-{number}", f"ahh{number}", f"aht{number}"
        net = f"198.{18 + number // 16384}.{number // 64 % 256}"    # RFC 2544: for tests, routed by nobody
        self.our_address, self.address = f"{net}.{number % 64 * 4 + 1}", f"{net}.{number % 64 * 4 + 2}"
        self.outside = threading.local()
        try:
            ip("netns", "add", self.name)
            ip("link", "add", self.here, "type", "veth", "peer", "name", self.there, "netns", self.name)
            ip("addr", "add", self.our_address + "/30", "dev", self.here)
            ip("link", "set", self.here, "up")
            ip("-n", self.name, "addr", "add", self.address + "/30", "dev", self.there)
            ip("-n", self.name, "link", "set", "lo", "up")
            ip("-n", self.name, "link", "set", self.there, "up")
        except subprocess.CalledProcessError as e:
            self.close()
            pytest.skip(f"no network namespace here: {e.stderr.strip()}")

    def close(self):
        ip("link", "del", self.here, check=False)
        ip("netns", "del", self.name, check=False)

    # -- the cable

    def unplug(self):
        """The far end goes down: no carrier, and not a packet more."""
        ip("-n", self.name, "link", "set", self.there, "down")

    def plug_in(self):
        ip("-n", self.name, "link", "set", self.there, "up")

    def swallow(self):
        """Everything sent goes to a card that nobody has: no error here, no answer ever, as in a firewall's drop."""
        self._neighbour("replace", "lladdr", "02:00:00:00:00:01", "nud", "permanent")

    def deliver(self):
        self._neighbour("del")

    def _neighbour(self, verb, *how):
        ip("neigh", verb, self.address, *how, "dev", self.here)
        ip("-n", self.name, "neigh", verb, self.our_address, *how, "dev", self.there)

    # -- being there

    def __enter__(self):
        self.outside.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        inside = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        self._go(inside)

    def __exit__(self, *exc):
        self._go(self.outside.fd)

    @staticmethod
    def _go(fd):
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            if libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(fd)

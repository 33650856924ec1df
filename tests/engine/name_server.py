"""A DNS server over UDP that says what a test tells it, and the program in a mount namespace that asks it.

    with NameServer() as names:
        names.zone["engine.test"] = ["127.0.0.1", "::1"]
        autoheal("tcp://engine.test:2375", wrapper=names.wrapper(tmp_path))
        assert ("engine.test", "A") in names.asked
"""
import itertools
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

TYPES = {1: "A", 28: "AAAA", 5: "CNAME"}
NUMBERS = {name: number for number, name in TYPES.items()}
OK, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
_counter = itertools.count(1)


def need_namespaces():
    """Skips a test where this user may not have a mount namespace of its own, or no port 53."""
    if os.geteuid() != 0:
        pytest.skip("a name server on port 53 and a resolv.conf of its own need root")
    if not shutil.which("unshare"):
        pytest.skip("no unshare here (apt-get install util-linux)")
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def decode(data, at):
    """The name at this position and where it ends; questions have no pointers."""
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels), at + 1


def record(kind, data, name=b"\xc0\x0c"):
    """A resource record; its name is a pointer to the question unless told."""
    return (name + NUMBERS[kind].to_bytes(2, "big") + b"\0\1" + (60).to_bytes(4, "big") +
            len(data).to_bytes(2, "big") + data)


def address(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


class Question:
    def __init__(self, packet):
        self.packet, self.id = packet, packet[:2]
        self.name, end = decode(packet, 12)
        self.kind = TYPES.get(int.from_bytes(packet[end:end + 2], "big"), "?")
        self.section = packet[12:end + 4]

    def answer(self, records=(), code=OK, id=None, flags=0x8180, questions=1, count=None, section=None):
        """The bytes of an answer; what a liar would change can be given."""
        return ((self.id if id is None else id) + (flags | code).to_bytes(2, "big") + questions.to_bytes(2, "big") +
                (len(records) if count is None else count).to_bytes(2, "big") + b"\0\0\0\0" +
                (self.section if section is None else section) + b"".join(records))


class NameServer:
    """zone: name -> list of addresses, in order. A name that is missing does not exist.

    silent: names, or (name, "A"), that get no answer. before: called with a Question, gives packets to send first.
    """

    def __init__(self):
        self.ip = None
        self.zone, self.silent, self.codes = {}, set(), {}
        self.before = None
        self.asked = []                         # (name, type), in order
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while self.ip is None:                  # an address of its own for each server of each process
            ip = f"127.53.{os.getpid() % 250 + 1}.{next(_counter) % 250 + 1}"
            try:
                self.socket.bind((ip, 53))
                self.ip = ip
            except OSError:
                pass
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Nobody listens there any more."""
        self.socket.close()

    def _serve(self):
        while True:
            try:
                packet, peer = self.socket.recvfrom(2048)
                question = Question(packet)
                self.asked.append((question.name, question.kind))
                for lie in self.before(question) if self.before else ():
                    self.socket.sendto(lie, peer)
                if not {question.name, (question.name, question.kind)} & self.silent:
                    self.socket.sendto(self.truth(question), peer)
            except OSError:
                return

    def truth(self, question):
        if question.name in self.codes:
            return question.answer(code=self.codes[question.name])
        if question.name not in self.zone:
            return question.answer(code=NO_SUCH_NAME)
        wanted = [a for a in self.zone[question.name] if (":" in a) == (question.kind == "AAAA")]
        return question.answer([record(question.kind, address(a)) for a in wanted])

    def wait_asked(self, name, count=1, timeout=10.0):
        end = time.monotonic() + timeout
        while len([n for n, _ in self.asked if n == name]) < count:
            assert time.monotonic() < end, f"{name} was not asked for {count}x in {timeout} s: {self.asked}"
            time.sleep(0.01)

    def wrapper(self, folder, servers=None, options="", hosts="127.0.0.1 localhost\n"):
        """The command that runs the program in a mount namespace with a resolv.conf and a hosts file of its own."""
        number = next(_counter)
        conf, hosts_path = folder / f"resolv-{number}.conf", folder / f"hosts-{number}"
        conf.write_text("".join(f"nameserver {ip}\n" for ip in servers or [self.ip]) + options)
        hosts_path.write_text(hosts)
        script = f'mount --bind {conf} /etc/resolv.conf && mount --bind {hosts_path} /etc/hosts && exec "$@"'
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"]

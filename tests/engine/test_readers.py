"""Events that are read off the disk in a child: one at a time, and what a child's end amid it does to its client."""
import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import time

import pytest

import harness
from steps import LABEL, long_past, sick_and_healed
from test_stream import Stream, follow, newest

LIST = "/api/events?limit=3000"


@pytest.fixture
def web(engine):
    return engine.add("web", labels=LABEL)


@pytest.fixture
def ah(engine, web, autoheal, tmp_path):
    """It has 2500 events on disk, of which its ring holds the newest."""
    ah = autoheal(engine, AUTOHEAL_EVENTS="3000", AUTOHEAL_DATA_DIR=tmp_path, AUTOHEAL_API_READS="open")
    ah.wait_event("auto_monitor", "web")
    long_past(ah, tmp_path, 2500)
    return ah


def children(ah):
    found = subprocess.run(["pgrep", "-P", str(ah.pid)], capture_output=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


class Slow:
    """A client that asks for the list and takes none of it: the child that reads for it is kept."""

    def __init__(self, ah):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(f"\0autoheal-{ah.instance}")
        self.socket.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % LIST.encode())
        harness.wait(lambda: self.sleeps(ah), 10, "a child that waits for its client", 0.1)

    def sleeps(self, ah):
        """The pipe is full."""
        for self.reader in children(ah):
            with open(f"/proc/{self.reader}/wchan", encoding="ascii") as f:
                if "pipe" in f.read():
                    return True
        return False

    def rest(self):
        with self.socket:
            answer = b""
            while piece := self.socket.recv(65536):
                answer += piece
        return answer


def whole(answer):
    """All numbers up to the newest, without one missing."""
    assert answer.status == 200
    seqs = [e["seq"] for e in answer.json()]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    return len(seqs) > 2400


def test_a_list_whose_reader_is_killed_is_no_whole_list(engine, ah, web):
    slow = Slow(ah)
    os.kill(slow.reader, signal.SIGKILL)
    answer = slow.rest()
    assert answer.startswith(b"HTTP/1.1 200") and not answer.endswith(b"0\r\n\r\n")
    ah.wait_log("was ended before its end")
    assert whole(ah.get(LIST))
    sick_and_healed(engine, ah, web)


def test_a_stream_whose_reader_is_killed_hears_what_it_misses(ah):
    with Stream(ah, "?since=0", local=True) as s:
        harness.wait(lambda: children(ah), 10)
        pid, = children(ah)
        harness.wait(lambda: Slow.sleeps(s, ah), 10, "a child that waits for its client", 0.1)
        os.kill(pid, signal.SIGKILL)
        last = newest(ah)
        assert follow(s, 0, last) == 1                  # each event was whole, and the numbers of the gap are true


def test_the_others_wait_until_the_disk_is_theirs(ah):
    slow = Slow(ah)
    with concurrent.futures.ThreadPoolExecutor(3) as pool, Stream(ah, "?since=0", local=True) as s:
        lists = [pool.submit(ah.get, LIST, timeout=20) for _ in range(3)]
        time.sleep(0.5)
        assert not any(one.done() for one in lists) and len(children(ah)) == 1
        assert slow.rest().endswith(b"0\r\n\r\n")
        assert follow(s, 0, newest(ah)) == 0
        assert all(whole(one.result()) for one in lists)


def test_a_stream_whose_client_is_slow_gives_way(ah):
    with Stream(ah, "?since=0", local=True) as s:
        harness.wait(lambda: Slow.sleeps(s, ah), 10, "a child that waits for its client", 0.1)
        assert whole(ah.get(LIST))
        assert follow(s, 0, newest(ah)) == 0            # and misses nothing


def test_a_client_that_leaves_makes_room(ah):
    slow = Slow(ah)
    slow.socket.close()
    assert whole(ah.get(LIST, timeout=20))


@pytest.mark.first
def test_nobody_waits_for_ever(engine, ah, web):
    slow = Slow(ah)
    os.kill(slow.reader, signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        drained = pool.submit(slow.rest)                # takes all that comes
        begin = time.monotonic()
        with Stream(ah, "?since=0", timeout=50) as s:
            answer = ah.get(LIST, timeout=50)
            assert answer.status == 503 and "somebody else" in answer.json()["error"]
            assert 25 < time.monotonic() - begin < 45
            with pytest.raises(EOFError):               # it may come back, and has missed nothing
                s.next()
        engine.sicken(web)
        engine.wait_restart(web)
        slow.socket.shutdown(socket.SHUT_RDWR)
        os.kill(slow.reader, signal.SIGCONT)
        drained.result()
    assert whole(ah.get(LIST))

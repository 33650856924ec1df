"""The network side of the scripted engine: HTTP, the record of requests, faults, and event streams.

Threads: one per listener, one per connection. What a client receives is written by its connection's thread, and
with TLS the handshake is its first work.
"""
import contextlib
import email.utils
import itertools
import json
import os
import queue
import re
import select
import socket
import ssl
import threading
import time
import urllib.parse

FUZZY_ACTIONS = ("health_status", "exec_create", "exec_start")
PODMANS_WORDS = {"die": "died", "destroy": "remove"}    # what it filters by, whatever it writes


def version_tuple(text):
    return tuple(int(part) for part in text.split("."))


class Request:
    """What a client asked: time (monotonic), method, version ('1.47' or ''), path without it, query, headers, body."""

    def __init__(self, method, target, headers, body, connection):
        self.time = time.monotonic()
        self.answered = None                    # when its answer was about to be written
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.connection = connection            # a number per connection
        raw, _, query = target.partition("?")
        match = re.match(r"/v(\d+\.\d+)(/.*)", raw)
        self.version, self.path = (match.group(1), match.group(2)) if match else ("", raw)
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def __repr__(self):
        return f"{self.method} {self.target}"


class Fault:
    """A misbehaviour of one endpoint; made by Engine.fault(), ended by remove() or after `times` requests.

    also        called with the request before anything else
    before      seconds until the request is acted on
    status,body,headers   an answer in place of the engine's own; nothing is done to the model
    delay       seconds between what is done and the answer
    black_hole  the answer never comes
    garbage     these bytes in place of an answer, then the connection is closed (b'': just closed)
    close_after the answer is cut after so many bytes and the connection closed
    cuts, pause the answer is written in pieces, cut at these byte positions, with a pause between
    rewrite     called with the answer's bytes, returns others
    """

    def __init__(self, engine, method, pattern, times=None, also=None, before=0, status=None, body=None, headers=None,
                 delay=0, black_hole=False, garbage=None, close_after=None, cuts=(), pause=0.002, rewrite=None):
        self.engine, self.method, self.pattern, self.times = engine, method, re.compile(pattern), times
        self.also, self.before, self.status, self.body, self.headers = also, before, status, body, headers
        self.delay, self.black_hole, self.garbage, self.close_after = delay, black_hole, garbage, close_after
        self.cuts, self.pause, self.rewrite = cuts, pause, rewrite
        self.hits = 0

    def takes(self, request):
        return (self.method in (None, request.method) and self.pattern.search(request.path)
                and (self.times is None or self.hits < self.times))

    def remove(self):
        with self.engine.lock:
            if self in self.engine.faults:
                self.engine.faults.remove(self)


class Stream:
    """One open GET /events: its filters and the bytes that wait to be written by its thread."""

    def __init__(self, request, api, filters, words=None):
        self.request, self.api, self.filters = request, api, filters
        self.words = words or {}                # action: what event= must name to get it
        self.outbox = queue.Queue()             # bytes to write in one piece; a number: a pause in seconds; None: close
        self.open = True

    def wants(self, event):
        for key, values in self.filters.items():
            if key == "type" and event["type"] not in values:
                return False
            if key == "event":
                word = self.words.get(event["action"], event["action"])
                if any(value in FUZZY_ACTIONS for value in values):
                    if not any(word.startswith(value) for value in values):
                        return False
                elif word not in values:
                    return False
            if key == "container" and event["id"] not in values and event["attributes"].get("name") not in values:
                return False
            if key == "label" and not label_match(values, event["attributes"]):
                return False
        return True


class Link:
    """One connection of a client, plain or TLS: when it came, when its handshake was done, who the client is."""

    def __init__(self, number, connection):
        self.number, self.socket = number, connection
        self.accepted = time.monotonic()
        self.shaken = None                      # when TLS stood; without TLS, when it was accepted
        self.closed = None
        self.error = None                       # why the handshake failed, in OpenSSL's words
        self.sni = None                         # the name the client asked for
        self.client = None                      # the common name of the client's certificate
        self.suite = None                       # version and cipher suite
        self.first = None                       # its first Request
        self.leaving = False                    # it ends instead of a further request

    @property
    def idle(self):
        """It stands, nothing was asked on it, and it was not dismissed."""
        return bool(self.shaken and not self.first and not self.closed and not self.leaving)

    def __repr__(self):
        return f"<connection {self.number} {self.suite or self.error} {self.first}{' closed' if self.closed else ''}>"


def label_match(wanted, labels):
    for want in wanted:
        name, eq, value = want.partition("=")
        if name not in labels or (eq and labels[name] != value):
            return False
    return True


def parse_filters(text):
    """The filters= of a query as {name: [values]}, from the list or the map form."""
    return {key: list(values) for key, values in json.loads(text or "{}").items()}


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def estranged(thing):
    """A JSON object with members before and behind that no client knows, named like those that they do, but deeper."""
    return {"Novelty": {"Action": "die", "Id": "f" * 64, "Health": {"Status": "unhealthy"}, "n": [1.5e3, None, {}]},
            **thing, "Zeitgeist": [[{"State": "exited"}], "\\u0000\\", True]}


class HTTPError(Exception):
    def __init__(self, status, message, cause=None):
        super().__init__(message)
        self.status, self.message, self.cause = status, message, cause


class Server:
    """Listens, records, answers; a subclass says what: _route() and _replay().

    tls, an ssl.SSLContext, is what new TCP connections speak; it may be set anew at any time (None: plain).
    address and port are those of the TCP port; inside, a context manager, is where it is opened (far_host.py).
    """

    def __init__(self, socket_path=None, tcp=False, version="28.5.2", api="1.51", min_api="1.24", flavour="docker",
                 tls=None, address="127.0.0.1", port=None, inside=None, strange=False):
        assert flavour in ("docker", "podman")
        self.strange = strange                  # members that nobody knows, in everything it says
        self.socket_path = str(socket_path) if socket_path else None
        self.tcp = tcp
        self.tls = tls
        self.address = address
        self.port = port
        self.inside = inside or contextlib.nullcontext()
        self.version, self.api, self.min_api, self.flavour = version, api, min_api, flavour
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.log = []                           # every Request
        self.faults = []
        self.streams = []
        self.listeners = []
        self.connections = {}                   # number -> Link, of those that are open
        self.links = []                         # every Link
        self.close_notify = True                # a TLS connection is ended properly; else just cut
        self.numbers = itertools.count(1)
        self.problems = []                      # exceptions of the engine's own threads: a bug of the test
        self.accepting = False
        self.skew = None                        # ns by which its clock is ahead; None: no Date in its answers
        self.lag = {}                           # action: seconds by which its event, and what follows it, comes late

    # ---- life

    def start(self):
        """Opens the listeners; after stop() again on the same path and port."""
        with self.lock:
            self.accepting = True
            if self.socket_path:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.socket_path)
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(self.socket_path)
                self._listen(listener)
            if self.tcp:
                with self.inside:
                    listener = socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET)
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind((self.address, self.port or 0))
                self.port = listener.getsockname()[1]
                self._listen(listener)
        return self

    def stop(self, keep_path=False):
        """Closes listeners and connections, as a daemon that dies; keep_path leaves the socket's file (refused)."""
        with self.lock:
            self.accepting = False
            for listener in self.listeners:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()
            self.listeners.clear()
            if self.socket_path and not keep_path:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.socket_path)
            for link in list(self.connections.values()):
                cut(link.socket)
            for stream in self.streams:
                stream.outbox.put(None)

    @property
    def url(self):
        if self.socket_path:
            return f"unix://{self.socket_path}"
        return f"tcp://[{self.address}]:{self.port}" if ":" in self.address else f"tcp://{self.address}:{self.port}"

    def _listen(self, listener):
        listener.listen(1024)
        self.listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(next(self.numbers), connection)
            with self.changed:
                if not self.accepting:
                    connection.close()
                    return
                self.connections[link.number] = link
                self.links.append(link)
                self.changed.notify_all()
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def wait_link(self, condition, count=1, timeout=5.0, what="such a connection"):
        """Waits for the count-th connection for which the condition holds, and returns it."""
        def enough():
            found = [link for link in self.links if condition(link)]
            return found[count - 1] if len(found) >= count else None
        with self.changed:
            found = self.changed.wait_for(enough, timeout)
        if not found:
            raise AssertionError(f"waited {timeout} s in vain for {what} ({count}x); there were: {self.links[-40:]}")
        return found

    def wait_spare(self, timeout=5.0, steady=0.25):
        """Waits for a connection that stands ready and unused, longer than one that is made for a request; returns it."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for link in list(self.links):
                if link.idle and time.monotonic() - link.shaken > steady:
                    return link
            time.sleep(0.02)
        raise AssertionError(f"waited {timeout} s in vain for a spare connection; there were: {self.links[-40:]}")

    def link_of(self, request):
        """The connection that a request came on."""
        return next(link for link in self.links if link.number == request.connection)

    def _shake(self, link):
        """The server's side of a TLS handshake, if it speaks TLS."""
        context = self.tls if link.socket.family != socket.AF_UNIX else None
        if context:
            context.sni_callback = lambda asking, name, _: setattr(asking, "sni", name)
            connection = context.wrap_socket(link.socket, server_side=True, do_handshake_on_connect=False)
            with self.lock:
                link.socket = connection
            try:
                connection.do_handshake()
            except OSError as e:
                link.error = str(e)
                raise
            finally:
                link.sni = getattr(connection, "sni", None)
            peer = connection.getpeercert() or {}
            link.client = next((value for part in peer.get("subject", ()) for key, value in part if key == "commonName"), None)
            link.suite = f"{connection.version()} {connection.cipher()[0]}"
        with self.changed:
            link.shaken = time.monotonic()
            self.changed.notify_all()

    # ---- what was asked of it

    def requests(self, method=None, pattern=""):
        """The requests so far whose path (without /v1.x) matches, in order."""
        with self.lock:
            return [r for r in self.log if method in (None, r.method) and re.search(pattern, r.path)]

    def wait_request(self, method=None, pattern="", count=1, timeout=5.0):
        """Waits for the count-th such request and returns it."""
        def enough():
            found = self.requests(method, pattern)
            return found[count - 1] if len(found) >= count else None
        with self.changed:
            found = self.changed.wait_for(enough, timeout)
        if not found:
            raise AssertionError(f"waited {timeout} s in vain for {method} {pattern} ({count}x); "
                                 f"there were: {self.log[-40:]}")
        return found
    def posts(self):
        """All requests that are no reads."""
        with self.lock:
            return [r for r in self.log if r.method not in ("GET", "HEAD")]

    def forbidden(self):
        """The requests that a healer has no business to send (create, remove, rename, update, prune ...)."""
        allowed = re.compile(r"^/containers/[^/]+/(restart|start|stop|kill|exec)$|^/exec/[^/]+/start$")
        return [r for r in self.posts() if r.method != "POST" or not allowed.match(r.path)]

    def forget_requests(self):
        with self.lock:
            self.log.clear()

    def wait_stream(self, count=1, timeout=5.0):
        """Waits until so many event streams are open; returns the newest."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.streams) >= count, timeout):
                raise AssertionError(f"waited {timeout} s in vain for {count} event stream(s)")
            return self.streams[-1]

    def fault(self, method=None, pattern="", **kw):
        """Makes an endpoint misbehave; the newest matching fault counts. Keywords: those of Fault."""
        fault = Fault(self, method, pattern, **kw)
        with self.lock:
            self.faults.insert(0, fault)
        return fault
    # ---- HTTP

    def _serve(self, link):
        try:
            self._shake(link)
            reader = link.socket.makefile("rb")
            while self._stays(link) and self._one_request(link.socket, reader, link):
                pass
        except (OSError, ValueError):
            pass
        except Exception as e:  # noqa: BLE001 - shown at the end of the test
            self.problems.append(e)
        finally:
            with self.lock:
                self.connections.pop(link.number, None)
            if self.close_notify and link.shaken:
                say_goodbye(link.socket)
            cut(link.socket)
            link.socket.close()
            with self.changed:
                link.closed = time.monotonic()
                self.changed.notify_all()

    @staticmethod
    def _stays(link):
        """False once the connection was dismissed while nothing was asked on it."""
        if isinstance(link.socket, ssl.SSLSocket):
            while not link.leaving and not link.socket.pending() and not select.select([link.socket], [], [], 0.05)[0]:
                pass
        return not link.leaving

    def dismiss(self, link):
        """Ends an idle TLS connection, as servers do that have waited long enough; returns when it is closed."""
        link.leaving = True
        with self.changed:
            assert self.changed.wait_for(lambda: link.closed, 5), f"{link} did not end"

    def _one_request(self, connection, reader, link):
        line = reader.readline().decode("latin-1")
        if not line.strip():
            return False
        method, target, _ = line.split(" ", 2)
        headers = {}
        while (header := reader.readline().decode("latin-1").strip()):
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", 0)))
        request = Request(method, target, headers, body, link.number)
        with self.changed:
            link.first = link.first or request
            self.log.append(request)
            fault = next((f for f in self.faults if f.takes(request)), None)
            if fault:
                fault.hits += 1
            self.changed.notify_all()
        if fault:
            if fault.also:
                fault.also(request)
            time.sleep(fault.before)
            if fault.black_hole:
                while connection.recv(4096):
                    pass
                return False
            if fault.garbage is not None:
                connection.sendall(fault.garbage)
                return False
        if fault and fault.status:
            answer = self._answer(fault.status, fault.body or b"", fault.headers)
        else:
            try:
                api = self._check_version(request)
                if request.path == "/events" and method == "GET":
                    self._events(connection, request, api, fault)
                    return False
                if re.fullmatch(r"/exec/[^/]+/start", request.path) and method == "POST":
                    self._exec_start(connection, request)
                    return False
                answer = self._answer(*self._route(request, api), head=method == "HEAD")
            except HTTPError as e:
                answer = self._answer(e.status, self._error(e))
        if fault:
            time.sleep(fault.delay)
            if fault.rewrite:
                answer = fault.rewrite(answer)
            if fault.close_after is not None:
                connection.sendall(answer[:fault.close_after])
                return False
            if fault.cuts:
                for piece in pieces(answer, fault.cuts):
                    connection.sendall(piece)
                    time.sleep(fault.pause)
                answer = b""
        request.answered = time.monotonic()
        connection.sendall(answer)
        return headers.get("connection", "").lower() != "close"

    # ---- the manners of its version

    def events_type(self):
        """Content-Type of /events: one object a line in any case."""
        lines = self.flavour == "docker" and version_tuple(self.api) >= (1, 54)
        return "application/jsonl" if lines else "application/json"

    def head_waits(self):
        """Before 20.10 the head of /events leaves with the first event only."""
        return self.flavour == "docker" and version_tuple(self.version) < (20, 10)

    def _error(self, error):
        if self.flavour == "podman":
            return {"cause": error.cause or error.message, "message": error.message, "response": error.status}
        return {"message": error.message}

    def _headers(self, extra=()):
        server = f"Libpod/{self.version} (linux)" if self.flavour == "podman" else f"Docker/{self.version} (linux)"
        out = {"Api-Version": self.api, "Server": server}
        out.update({"Libpod-Api-Version": self.version} if self.flavour == "podman" else
                   {"Docker-Experimental": "false", "Ostype": "linux"})
        if self.skew is not None:
            out["Date"] = email.utils.formatdate((time.time_ns() + self.skew) // 10**9, usegmt=True)
        out.update(extra or {})
        return out

    def _answer(self, status, body=None, headers=None, head=False):
        """The bytes of an answer, chunked when it is long, as Go's server does."""
        reason = {200: "OK", 204: "No Content", 304: "Not Modified", 400: "Bad Request", 403: "Forbidden",
                  404: "Not Found", 409: "Conflict", 500: "Internal Server Error"}.get(status, "Whatever")
        fields = self._headers(headers)
        if self.strange and isinstance(body, list):
            body = [estranged(item) for item in body]
        elif self.strange and isinstance(body, dict):
            body = estranged(body)
        if isinstance(body, (dict, list)):
            fields.setdefault("Content-Type", "application/json")
            body = json.dumps(body).encode() + b"\n"
        elif isinstance(body, str):
            body = body.encode()
        body = body or b""
        chunked = len(body) > 2048
        if chunked:
            fields["Transfer-Encoding"] = "chunked"
            body = b"".join(chunk(body[i:i + 4096]) for i in range(0, len(body), 4096)) + b"0\r\n\r\n"
        elif status not in (204, 304):
            fields["Content-Length"] = str(len(body))
        text = f"HTTP/1.1 {status} {reason}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
        return text.encode() + (b"" if head else body)

    def _check_version(self, request):
        """The API version a request runs at; as the real engine, 400 outside the bounds."""
        if not request.version:
            return version_tuple(self.api)
        asked = version_tuple(request.version)
        if self.flavour == "podman":
            return asked
        if asked > version_tuple(self.api):
            raise HTTPError(400, f"client version {request.version} is too new. "
                                 f"Maximum supported API version is {self.api}")
        if asked < version_tuple(self.min_api):
            raise HTTPError(400, f"client version {request.version} is too old. Minimum supported API version is "
                                 f"{self.min_api}, please upgrade your client to a newer version")
        return asked
    def _events(self, connection, request, api, fault):
        filters = parse_filters(request.query.get("filters"))
        known = {"type", "event", "container", "label", "image", "scope", "daemon"}
        if set(filters) - known:
            raise HTTPError(400, f"invalid filter '{sorted(set(filters) - known)[0]}'")
        stream = Stream(request, api, filters, PODMANS_WORDS if self.flavour == "podman" else None)
        fields = {"Content-Type": self.events_type(), "Transfer-Encoding": "chunked"}
        head = "HTTP/1.1 200 OK\r\n" + "".join(f"{k}: {v}\r\n" for k, v in self._headers(fields).items()) + "\r\n"
        late_head = head.encode() if self.head_waits() else b""
        if not late_head:
            stream.outbox.put(head.encode())    # the first it writes, so nothing falls between header and events
        with self.changed:
            if "since" in request.query:
                seconds, _, nanos = request.query["since"].partition(".")
                self._replay(stream, int(seconds) * 10**9 + int((nanos + "0" * 9)[:9]))
            if "until" in request.query:
                stream.outbox.put(b"0\r\n\r\n")
                stream.outbox.put(None)
            self.streams.append(stream)
            self.changed.notify_all()
        sent = 0
        try:
            while True:
                try:
                    item = stream.outbox.get(timeout=0.1)
                except queue.Empty:
                    if select.select([connection], [], [], 0)[0] and not connection.recv(4096):
                        return
                    continue
                if item is None:
                    return
                if isinstance(item, (int, float)):
                    time.sleep(item)
                    continue
                item, late_head = late_head + item, b""
                time.sleep(max((s for action, s in self.lag.items() if b'"Action":"%s"' % action.encode() in item), default=0))
                if fault and fault.close_after is not None and sent + len(item) > fault.close_after:
                    connection.sendall(item[:fault.close_after - sent])
                    return
                connection.sendall(item)
                sent += len(item)
        finally:
            with self.changed:
                stream.open = False
                self.streams.remove(stream)
                self.changed.notify_all()


def cut(connection):
    """Ends a connection at once, whatever another thread does on it."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)    # SSLSocket's own would go on in plain text


def say_goodbye(connection):
    """close_notify, without a wait for the other side's."""
    if isinstance(connection, ssl.SSLSocket):
        with contextlib.suppress(OSError, ValueError):
            connection.settimeout(0)
            connection.unwrap()


def pieces(data, cuts):
    """data cut at the byte positions."""
    edges = [0, *sorted(c for c in cuts if 0 < c < len(data)), len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:])]

"""A receiver of notices: an HTTP or HTTPS server that records what comes and answers as a test tells it.

    with Receiver() as post:
        post.answers.append((429, {"Retry-After": "1"}, b""))       # the first request; after the list: 204
        autoheal(engine, AUTOHEAL_NOTIFY=post.url("/hook"))
        post.wait(2)
"""
import http.server
import json
import threading
import time

import harness


class Received:
    def __init__(self, handler, body):
        self.time = time.monotonic()
        self.method, self.path, self.headers, self.body = handler.command, handler.path, handler.headers, body

    def json(self):
        return json.loads(self.body.decode("utf-8"))

    def __repr__(self):
        return f"<{self.method} {self.path} {self.body[:300]!r}>"


class Receiver:
    """answers: a list of (status, headers, body), or "hang"; `always`: what is said after the list is used up."""

    def __init__(self, tls=None, port=0):
        self.log, self.answers, self.always = [], [], (204, {}, b"")
        self.now, self.most = 0, 0              # requests under way
        self.delay = 0                          # seconds that an answer takes
        self.lock, self.over = threading.Lock(), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with outer.lock:
                    outer.log.append(Received(self, body))
                    outer.now += 1
                    outer.most = max(outer.most, outer.now)
                    said = outer.answers.pop(0) if outer.answers else outer.always
                if said == "hang":
                    outer.over.wait(60)
                    self.close_connection = True
                else:
                    outer.over.wait(outer.delay)
                    status, headers, text = said
                    self.send_response(status)
                    for name, value in {**headers, **({} if status == 204 else {"Content-Length": len(text)})}.items():
                        self.send_header(name, str(value))
                    self.end_headers()
                    self.wfile.write(text)
                with outer.lock:
                    outer.now -= 1

            do_GET = do_POST = answer

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass                            # a handshake that failed, or a client that left

            def finish_request(self, request, client_address):
                if tls:
                    request.settimeout(10)
                    request = tls.wrap_socket(request, server_side=True)
                super().finish_request(request, client_address)

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.tls = tls is not None

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def place(self):
        return f"127.0.0.1:{self.port}"

    def url(self, path="/hook", host=None):
        return f"http{'s' if self.tls else ''}://{host or '127.0.0.1'}:{self.port}{path}"

    def wait(self, count=1, timeout=10.0):
        """Waits for so many requests; returns the last of them."""
        harness.wait(lambda: len(self.log) >= count, timeout, f"{count} notices; got {self.log}")
        return self.log[count - 1]

    def titles(self):
        return [r.json()["title"] for r in self.log]

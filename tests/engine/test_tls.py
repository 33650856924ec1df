"""Engines behind mutual TLS: who is trusted, what is said when it fails, and that the handshake is in nobody's way."""
import contextlib
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

import harness
from certificates import CBC, day, replace
from steps import LABEL, QUICK, fence, healed, sick_and_healed

DOCS = harness.ROOT / "docs/configuration.md"


class Site:
    """An engine that lets in clients of its CA only, and the folder of such a client."""

    def __init__(self, pki, make_engine, names=("IP:127.0.0.1",), server="P-256", client="P-256", form="PKCS#8",
                 willfarrell=False, **engine):
        self.pki = pki
        self.ca = pki.authority()
        self.server = pki.server(*names, by=self.ca, key=server)
        self.client = pki.client(by=self.ca, key=client)
        self.form, self.willfarrell = form, willfarrell
        self.folder = pki.folder("client", self.ca, self.client, form, willfarrell)
        self.engine = make_engine(tcp=True, tls=pki.context(self.server, clients=self.ca), **engine)
        self.web = self.engine.add("web", labels=LABEL)

    @property
    def settings(self):
        return {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": self.folder}

    def serves(self, *names, by=None, clients=None, context=None, **kw):
        """From now on the engine shows another certificate."""
        server = self.pki.server(*(names or ("IP:127.0.0.1",)), by=by or self.ca, **kw)
        self.engine.tls = self.pki.context(server, clients=clients or self.ca, **(context or {}))

    def gives(self, **kw):
        """From now on the folder holds another client's certificate, signed by the CA unless told."""
        self.pki.fill(self.folder, self.ca, self.pki.client(**{"by": self.ca, **kw}))

    def repair(self):
        """All as it should be."""
        self.engine.tls = self.pki.context(self.server, clients=self.ca)
        self.pki.fill(self.folder, self.ca, self.client, self.form, self.willfarrell)


@pytest.fixture
def site(pki, make_engine):
    """site(...): a Site."""
    return lambda **kw: Site(pki, make_engine, **kw)


class Wire:
    """A TCP proxy before an engine, for what happens to the bytes of TLS on their way.

    plan(number) says for the connection of this number (from 1) how many bytes of the server's get through (None:
    all) and what then happens: "cut", or "silence". In pieces of `piece` bytes.
    """

    def __init__(self, port, plan=lambda number: (None, "cut"), piece=65536):
        self.target, self.plan, self.piece = port, plan, piece
        self.count = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"tcp://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.count += 1
                threading.Thread(target=self._serve, args=(client, *self.plan(self.count)), daemon=True).start()

    def _serve(self, client, limit, then):
        server = socket.create_connection(("127.0.0.1", self.target))
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
        self._pass(server, client, limit, then)

    def _pass(self, source, target, limit=None, then="cut"):
        passed = 0
        with contextlib.suppress(OSError):
            while limit is None or passed < limit:
                data = source.recv(self.piece)
                if not data:
                    break
                data = data if limit is None else data[:limit - passed]
                target.sendall(data)
                passed += len(data)
            if limit is not None and passed >= limit and then == "silence":
                while source.recv(65536):
                    pass
        for side in (source, target):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


def told(ah, sentence, timeout=10):
    """Waits until the log and the status say why there is no connection."""
    ah.wait_up()
    ah.wait_log(re.escape(sentence), timeout)
    errors = []

    def shown():
        errors.append(ah.get("/api/status").json()["engines"][0]["error"])
        return sentence in (errors[-1] or "")
    try:
        harness.wait(shown, timeout, "the sentence in the status", 0.05)
    except AssertionError as e:
        raise AssertionError(f"{e}: {errors[-1]}") from None


# ---- what works

def test_a_heal_over_mutual_tls(site, autoheal):
    """Stream, list and restart: every connection is TLS 1.2 with forward secrecy and shows our certificate."""
    s = site()
    ah = autoheal(s.engine, **s.settings)
    sick_and_healed(s.engine, ah, s.web)
    shaken = [link for link in s.engine.links if link.shaken]
    assert len(shaken) >= 3
    assert {link.client for link in shaken} == {"client"}
    assert all(re.match("TLSv1.2 ECDHE-ECDSA-(AES(128|256)-GCM|CHACHA20)", link.suite) for link in shaken)
    assert len(s.engine.restarts(s.web)) == 1


@pytest.mark.parametrize("url", ["https://127.0.0.1:{port}", "https://127.0.0.1:{port}/", "tcps://127.0.0.1:{port}"])
def test_a_url_that_means_tls_needs_no_other_setting(site, autoheal, url):
    s = site(willfarrell=url.startswith("tcps"))
    ah = autoheal(url.format(port=s.engine.port), DOCKER_CERT_PATH=s.folder)
    sick_and_healed(s.engine, ah, s.web)
    assert {link.client for link in s.engine.links if link.shaken} == {"client"}


def test_willfarrells_spelling(site, autoheal):
    """DOCKER_SOCK=tcps://, client-cert.pem and client-key.pem."""
    s = site(willfarrell=True)
    assert sorted(p.name for p in s.folder.iterdir()) == ["ca.pem", "client-cert.pem", "client-key.pem"]
    ah = autoheal(None, DOCKER_SOCK=f"tcps://127.0.0.1:{s.engine.port}", DOCKER_CERT_PATH=s.folder)
    sick_and_healed(s.engine, ah, s.web)
    assert {link.client for link in s.engine.links if link.shaken} == {"client"}


def test_the_port_of_tls_is_2376(site, autoheal):
    s = site(address="127.0.0.76", port=2376, names=["IP:127.0.0.76"])
    ah = autoheal("tcp://127.0.0.76", **s.settings)
    sick_and_healed(s.engine, ah, s.web)


def test_a_unix_socket_has_no_tls(engine, autoheal, tmp_path):
    """DOCKER_TLS_VERIFY in the environment of somebody who talks to the local engine."""
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=tmp_path / "nothing")
    sick_and_healed(engine, ah, web)


@pytest.mark.parametrize("server,client,form", [
    ("P-384", "P-384", "traditional"),
    ("RSA-2048", "RSA-2048", "PKCS#8"),
    ("RSA-4096", "RSA-2048", "traditional"),
    ("P-256", "RSA-4096", "PKCS#8"),
    ("RSA-2048", "P-256", "traditional"),
])
def test_kinds_of_keys(site, autoheal, server, client, form):
    """RSA and EC on either side; PKCS#8, PKCS#1, SEC1."""
    s = site(server=server, client=client, form=form)
    ah = autoheal(s.engine, **s.settings)
    sick_and_healed(s.engine, ah, s.web)


def test_chains_with_an_intermediate(site, pki, autoheal):
    """Either side knows the root alone; the other sends who stands between."""
    s = site()
    between = pki.authority("between", by=s.ca)
    s.serves(by=between)
    s.gives(by=between, name="guest")
    ah = autoheal(s.engine, **s.settings)
    sick_and_healed(s.engine, ah, s.web)
    assert {link.client for link in s.engine.links if link.shaken} == {"guest"}


def test_several_authorities_in_one_file(site, pki, autoheal):
    """The right one is neither first nor last, one has expired, and one has a key that we cannot use."""
    s = site()
    others = [pki.authority("old", start=-20, end=-10), pki.authority("ed", "Ed25519"), s.ca, pki.authority("other")]
    pki.fill(s.folder, others, s.client)
    ah = autoheal(s.engine, **s.settings)
    sick_and_healed(s.engine, ah, s.web)


def test_without_a_client_certificate_where_the_server_wants_none(site, pki, autoheal):
    """ca.pem alone: the server is verified, as the docker command does it."""
    s = site()
    s.engine.tls = pki.context(s.server)
    ah = autoheal(s.engine, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=pki.folder("bare", s.ca))
    sick_and_healed(s.engine, ah, s.web)
    assert {link.client for link in s.engine.links if link.shaken} == {None}


# ---- names

@pytest.fixture
def resolving(tmp_path):
    """resolving(name, ...): a wrapper that runs a program where these names lead to 127.0.0.1."""
    def wrapper(*names):
        hosts = tmp_path / "hosts"
        hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in names))
        words = ["unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
            pytest.skip("a private /etc/hosts needs root and mount namespaces")
        return words
    return wrapper


@pytest.mark.parametrize("host,san", [
    ("docker.shop.example", "DNS:docker.shop.example"),
    ("docker.shop.example", "DNS:other.example, DNS:*.shop.example"),
    ("Docker.Shop.Example", "DNS:docker.shop.example"),
])
def test_names(site, autoheal, resolving, host, san):
    """The certificate bears the name or a wildcard of it; the server is told the name (SNI) and sees it as Host."""
    s = site(names=[san])
    ah = autoheal(f"tcp://{host}:{s.engine.port}", wrapper=resolving(host), **s.settings)
    sick_and_healed(s.engine, ah, s.web)
    assert {link.sni.lower() for link in s.engine.links if link.shaken} == {host.lower()}
    assert {r.headers["host"].lower() for r in s.engine.log} == {f"{host}:{s.engine.port}".lower()}


@pytest.mark.parametrize("host,san", [
    ("shop.example", "DNS:*.shop.example"),
    ("a.b.shop.example", "DNS:*.shop.example"),
    ("docker.shop.example", "DNS:docker.shop.example.org, DNS:d*.shop.example"),
    ("docker.shop.example", "IP:127.0.0.1"),
])
def test_names_of_others(site, autoheal, resolving, host, san):
    """A wildcard stands for one label, whole; an address is not the name that leads to it."""
    s = site(names=[san])
    ah = autoheal(f"tcp://{host}:{s.engine.port}", ready=False, wrapper=resolving(host), **s.settings)
    names = ", ".join(part.split(":")[1] for part in san.split(", "))
    told(ah, f"the server's certificate is for {names}; not for {host}")
    assert not s.engine.log


def test_an_address_is_not_told_as_a_name(site, autoheal):
    """RFC 6066: no SNI for 127.0.0.1."""
    s = site()
    autoheal(s.engine, **s.settings)
    assert {link.sni for link in s.engine.links if link.shaken} == {None}


def test_an_ipv6_address(site, autoheal):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no ::1 here")
    s = site(names=["IP:::1"], address="::1")
    ah = autoheal(s.engine, **s.settings)
    sick_and_healed(s.engine, ah, s.web)
    assert {link.sni for link in s.engine.links if link.shaken} == {None}


# ---- what fails, in words; and repaired without a restart

def key_missing(s, _):
    (s.folder / "key.pem").unlink()
    return f"key.pem is missing in {s.folder}"


def cert_missing(s, _):
    (s.folder / "cert.pem").unlink()
    return f"cert.pem is missing in {s.folder}"


def folder_missing(s, _):
    for path in s.folder.iterdir():
        path.unlink()
    return f"ca.pem is missing in {s.folder}"


def cert_expired(s, _):
    s.gives(start=-20, end=-3)
    return f"cert.pem expired on {day(-3)}"


def cert_of_tomorrow(s, _):
    s.gives(start=3)
    return f"cert.pem is not valid before {day(3)}"


def foreign_key(s, pki):
    replace(s.folder / "key.pem", pki.key_text(pki.key("P-256", "stranger")))
    return "key.pem does not belong to cert.pem"


def key_with_a_passphrase(s, pki):
    replace(s.folder / "key.pem", pki.key_text(s.client.key, "passphrase"))
    return "key.pem is encrypted with a passphrase"


def key_cut_off(s, pki):
    replace(s.folder / "key.pem", pki.key_text(s.client.key)[:120])
    return "key.pem is damaged"


def client_ed25519(s, _):
    s.gives(key="Ed25519")
    return "cert.pem holds an Ed25519 key, which is not supported: use RSA, or EC P-256 or P-384"


def client_rsa_pss(s, _):
    s.gives(key="RSA-PSS")
    return "cert.pem holds an RSA-PSS key, which is not supported: use RSA, or EC P-256 or P-384"


HERE = [key_missing, cert_missing, folder_missing, cert_expired, cert_of_tomorrow, foreign_key, key_with_a_passphrase,
        key_cut_off, client_ed25519, client_rsa_pss]


@pytest.mark.parametrize("breaks", HERE, ids=lambda f: f.__name__)
def test_files_that_are_wrong(site, pki, autoheal, breaks):
    """The sentence names the file; the server sees no connection at all, above all none without our certificate.
    Once the files are right the next try works."""
    s = site()
    sentence = breaks(s, pki)
    ah = autoheal(s.engine, ready=False, **s.settings)
    told(ah, sentence)
    assert not s.engine.links
    assert ah.get("/health").status == 503
    s.repair()
    ah.wait_ready(15)
    sick_and_healed(s.engine, ah, s.web)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_of_another_user(site, autoheal):
    """The folder belongs to root, and autoheal runs as nobody."""
    s = site()
    for path in s.folder.iterdir():
        path.chmod(0o600)
    for parent in s.folder.parents:
        if parent.owner() == "root" and parent != pathlib.Path("/tmp") and len(parent.parts) > 2:
            parent.chmod(0o755)
    ah = autoheal(s.engine, ready=False, user=65534, group=65534, groups=[], **s.settings)
    told(ah, f"ca.pem in {s.folder} cannot be read: Permission denied")
    assert not s.engine.links
    for path in s.folder.iterdir():
        os.chown(path, 65534, 65534)
    ah.wait_ready(15)
    sick_and_healed(s.engine, ah, s.web)


def server_of_another_authority(s, pki):
    s.serves(by=pki.authority("other"))
    return "ca.pem did not sign the server's certificate"


def server_signed_by_nobody(s, _):
    s.serves(by=s.server)                       # by one that is no CA
    return "the server's certificate is signed by one that may not sign others"


def server_for_others(s, _):
    s.serves("DNS:a.example", "IP:10.0.0.1")
    return "the server's certificate is for a.example, 10.0.0.1; not for 127.0.0.1"


def server_without_names(s, pki):
    s.engine.tls = pki.context(pki.server(by=s.ca), clients=s.ca)
    return "the server's certificate has no subjectAltName"


def server_that_is_a_client(s, _):
    s.serves(usage="clientAuth")
    return "the server's certificate is not one for servers (extendedKeyUsage lacks serverAuth)"


def server_expired(s, _):
    s.serves(start=-20, end=-3)
    return f"the server's certificate expired on {day(-3)}"


def server_of_tomorrow(s, _):
    s.serves(start=3)
    return f"the server's certificate is not valid before {day(3)}"


def server_ed25519(s, _):
    s.serves(key="Ed25519")
    return "the server has nothing in common with us: needed are TLS 1.2, ECDHE with AES-GCM"


def server_rsa_pss(s, _):
    s.serves(key="RSA-PSS")
    return "no RSA-PSS"


def server_signed_with_rsa_pss(s, pki):
    root = pki.authority("rsa", "RSA-2048")
    s.serves(by=root, sigopt=["rsa_padding_mode:pss"])
    pki.fill(s.folder, [s.ca, root], s.client)
    return "the server's certificate is signed with RSA-PSS, which is not supported"


def server_of_tls_1_3_alone(s, _):
    s.serves(context={"oldest": ssl.TLSVersion.TLSv1_3})
    return "the server does not speak TLS 1.2"


def server_of_cbc_alone(s, _):
    s.serves(context={"ciphers": CBC + ":@SECLEVEL=0", "newest": ssl.TLSVersion.TLSv1_2})
    return "the server has nothing in common with us: needed are TLS 1.2, ECDHE with AES-GCM"


def client_refused(s, pki):
    s.serves(clients=pki.authority("other"))
    return "the server did not accept cert.pem (alert 48, unknown_ca)"


def client_wanted(s, _):
    (s.folder / "cert.pem").unlink()
    (s.folder / "key.pem").unlink()
    return "the server wants a client certificate, and cert.pem and key.pem are missing"


THERE = [server_of_another_authority, server_signed_by_nobody, server_for_others, server_without_names,
         server_that_is_a_client, server_expired, server_of_tomorrow, server_ed25519, server_rsa_pss,
         server_signed_with_rsa_pss, server_of_tls_1_3_alone, server_of_cbc_alone, client_refused, client_wanted]


@pytest.mark.parametrize("breaks", THERE, ids=lambda f: f.__name__)
def test_a_server_that_is_wrong(site, pki, autoheal, breaks):
    """Not one request reaches it, the sentence says why, and once it is right the next try works."""
    s = site()
    sentence = breaks(s, pki)
    ah = autoheal(s.engine, ready=False, **s.settings)
    told(ah, sentence)
    assert s.engine.links and not [link for link in s.engine.links if link.shaken]
    s.repair()
    ah.wait_ready(15)
    sick_and_healed(s.engine, ah, s.web)


@pytest.mark.parametrize("answer,sentence", [
    (b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request",
     "what answers there does not speak TLS"),
    (b"SSH-2.0-OpenSSH_9.2p1\r\n", "what answers there does not speak TLS"),
    (b"", "the server closed the connection at the first word of TLS"),
    (b"\x15\x03\x03\x00\x02\x02\x28", "the server has nothing in common with us"),
    (b"\x15\x03\x03\x00\x02\x02\x50", "the server ended TLS with alert 80 (internal_error)"),
    (b"\x16\x03\x03\x40\x01" + b"\x00" * 100, "what the server sent is not sound TLS"),
], ids=["http", "ssh", "hangs up", "alert 40", "alert 80", "record too long"])
def test_what_is_no_tls_server(site, autoheal, answer, sentence):
    """Something else listens there. When TLS is there after all, on the same port, it works."""
    s = site()
    s.engine.stop()
    with socket.create_server(("127.0.0.1", s.engine.port)) as listener:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(answer)
        threading.Thread(target=serve, daemon=True).start()
        ah = autoheal(s.engine, ready=False, **s.settings)
        told(ah, sentence)
        listener.shutdown(socket.SHUT_RDWR)
    s.engine.start()
    ah.wait_ready(15)
    sick_and_healed(s.engine, ah, s.web)


def test_a_server_that_speaks_plain_http_is_never_asked_in_plain_text(make_engine, pki, autoheal):
    """An engine without TLS, where TLS was ordered: it hears a ClientHello and no request."""
    engine = make_engine(tcp=True)
    ca = pki.authority()
    folder = pki.folder("client", ca, pki.client(by=ca))
    ah = autoheal(engine, ready=False, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=folder, CURL_TIMEOUT="1")
    ah.wait_up()
    harness.wait(lambda: ah.get("/api/status").json()["engines"][0]["error"], 10, "an error")
    assert engine.links and not engine.log


@pytest.mark.parametrize("position", [0, 1, 4, 5, 6, 80, 300, 500, 700, 800])
def test_a_connection_that_breaks_amid_the_handshake(site, autoheal, position):
    """Wherever the bytes end: one sentence, and the next try works."""
    s = site()
    with Wire(s.engine.port, lambda number: (position if number <= 2 else None, "cut")) as wire:
        ah = autoheal(wire.url, ready=False, **s.settings)
        ah.wait_up()
        ah.wait_log("the server closed the connection (at the first word of TLS|in the middle of the TLS handshake)", 10)
        assert not s.engine.log
        ah.wait_ready(15)
        sick_and_healed(s.engine, ah, s.web)


@pytest.mark.parametrize("position", [0, 3, 400])
def test_a_handshake_that_never_ends(site, autoheal, position):
    """The server falls silent: it is given up after CURL_TIMEOUT, and until then the service goes on."""
    s = site()
    with Wire(s.engine.port, lambda number: (position if number <= 2 else None, "silence")) as wire:
        ah = autoheal(wire.url, ready=False, CURL_TIMEOUT="1", **s.settings)
        ah.wait_up()
        told_so = "the server " + ("fell silent in the middle of the TLS handshake" if position else
                                   "does not answer the first word of TLS")
        ah.wait_log(told_so, 10)
        ah.wait_ready(15)
        sick_and_healed(s.engine, ah, s.web)


def test_certificates_that_change_while_it_runs(site, pki, autoheal):
    """A new CA on both sides: the connections that stand are kept, the next ones go by the new files."""
    s = site()
    ah = autoheal(s.engine, **s.settings)
    sick_and_healed(s.engine, ah, s.web)
    new = pki.authority("new")
    s.serves(by=new, clients=new)
    pki.fill(s.folder, new, pki.client(by=new, name="renewed"))
    before = len(s.engine.links)
    s.engine.stop()
    s.engine.start()
    ah.wait_event("engine_connected", count=2, timeout=15)
    ah.wait_ready()
    fence(s.engine, ah)
    assert {link.client for link in s.engine.links[before:] if link.shaken} == {"renewed"}


@pytest.mark.first
def test_certificates_that_change_while_the_stream_stands(site, pki, autoheal):
    """The server lets in only holders of the renewed certificate, but has cut nobody off: the first connection that is
    refused makes the service read its files anew, and what is sick is healed."""
    s = site()
    late = s.engine.add("late", labels=LABEL)
    ah = autoheal(s.engine, **s.settings, **QUICK)
    s.engine.dismiss(s.engine.wait_spare())
    new = pki.authority("new")
    s.serves(clients=new)
    pki.fill(s.folder, s.ca, pki.client(by=new, name="renewed"))
    healed_by = len(s.engine.links)
    s.engine.sicken(s.web, late)
    healed(s.engine, ah, s.web, timeout=20)
    healed(s.engine, ah, late, timeout=20)
    assert {link.client for link in s.engine.links[healed_by:] if link.shaken} == {"renewed"}
    assert not ah.events("engine_lost")


# ---- the spare connection

def test_a_heal_waits_for_no_handshake(site, autoheal):
    """The restart goes out on a connection whose handshake was done before the event; then there is a new one."""
    s = site()
    ah = autoheal(s.engine, **s.settings, **QUICK)
    for count in range(1, 4):
        spare = s.engine.wait_spare()
        sick = time.monotonic()
        s.engine.sicken(s.web)
        link = s.engine.link_of(s.engine.wait_restart(s.web, count))
        assert link is spare and link.shaken < sick
        healed(s.engine, ah, s.web, count)


@pytest.mark.parametrize("goodbye", [True, False], ids=["close_notify", "cut"])
def test_a_spare_that_the_server_closes(site, autoheal, goodbye):
    """Servers close what is idle: that costs no heal, whether it was noticed or happens together with the event. The
    heal that had no spare connection makes the one for the next."""
    s = site()
    s.engine.close_notify = goodbye
    ah = autoheal(s.engine, **s.settings, **QUICK)
    s.engine.dismiss(s.engine.wait_spare(steady=1))
    fence(s.engine, ah)
    sick_and_healed(s.engine, ah, s.web)
    s.engine.dismiss(s.engine.wait_spare(steady=1))
    sick_and_healed(s.engine, ah, s.web, 2)
    spare = s.engine.wait_spare(steady=1)       # our side of its handshake comes after those for evidence
    sick_and_healed(s.engine, ah, s.web, 3)
    assert s.engine.link_of(s.engine.restarts(s.web)[2]) is spare
    assert len(s.engine.restarts(s.web)) == 3
    assert not ah.events("engine_lost")


def test_a_server_that_closes_every_spare_is_not_asked_without_end(site, autoheal):
    """A proxy that allows no idle connection: a try an audit, no storm of handshakes."""
    s = site()
    ah = autoheal(s.engine, AUTOHEAL_INTERVAL="1", **s.settings)
    end = time.monotonic() + 3
    closed = 0
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError):
            s.engine.dismiss(s.engine.wait_spare(0.6))
            closed += 1
    assert 1 <= closed <= 6, f"{closed} spare connections in 3 s"
    sick_and_healed(s.engine, ah, s.web)


def test_ten_at_once(site, autoheal):
    """One spare, ten that are sick: all are restarted at once, each on a connection of its own, and healed."""
    s = site()
    sick = [s.engine.add(f"c{i}", labels=LABEL, stop_seconds=0.3) for i in range(10)]
    ah = autoheal(s.engine, AUTOHEAL_STORM="off", **s.settings)
    s.engine.wait_spare()
    s.engine.batch(*[("health_status: unhealthy", c) for c in sick])
    for c in sick:
        healed(s.engine, ah, c, timeout=15)
    requests = [s.engine.restarts(c) for c in sick]
    assert [len(r) for r in requests] == [1] * 10
    assert len({r[0].connection for r in requests}) == 10


# ---- records

def test_answers_in_tiny_records(site, autoheal):
    """One byte a record: the head, the list, the inspect, the events."""
    s = site()
    s.engine.fault("GET", "/version|/containers", cuts=range(1, 1000), pause=0)
    ah = autoheal(s.engine, **s.settings)
    for action in ("health_status: healthy", "health_status: unhealthy"):
        event = s.engine.make_event(action, s.web)
        data = s.engine.event_json(event)
        s.engine.emit_wire(b"%x\r\n%s\r\n" % (len(data), data), cuts=range(1, len(data) + 9), pause=0)
    healed(s.engine, ah, s.web)
    assert len(s.engine.restarts(s.web)) == 1


def test_records_in_tiny_segments(site, autoheal):
    """Three bytes a segment, from the handshake to the heal."""
    s = site()
    with Wire(s.engine.port, piece=3) as wire:
        ah = autoheal(wire.url, **s.settings)
        sick_and_healed(s.engine, ah, s.web)


def test_a_flood_of_events(site, autoheal):
    """2,000 events in full records, and then the one that matters."""
    s = site()
    chatty = s.engine.add("chatty", labels=LABEL)
    ah = autoheal(s.engine, **s.settings)
    s.engine.batch(*[("rename", chatty, {"oldName": "/x" * 20}) for _ in range(2000)])
    sick_and_healed(s.engine, ah, s.web)
    assert not ah.events("engine_lost")


def test_a_long_list(site, autoheal):
    """1,000 containers: some 700 KB of records."""
    s = site()
    for i in range(1000):
        s.engine.add(f"c{i}", labels=LABEL)
    ah = autoheal(s.engine, **s.settings)
    harness.wait(lambda: ah.get("/api/status").json()["monitored_containers"] == 1001, 10, "all of them")
    sick_and_healed(s.engine, ah, s.web)


def without_length(answer):
    """An answer whose end is the end of the connection."""
    return re.sub(rb"Content-Length: \d+\r\n", b"", answer)


@pytest.mark.parametrize("goodbye", [True, False], ids=["close_notify", "cut"])
def test_only_close_notify_ends_an_answer(site, autoheal, goodbye):
    """An answer that ends with the connection is whole if the server says so; a cut that anybody on the way may
    bring about makes a part of it no list."""
    s = site()
    s.engine.close_notify = goodbye
    fault = s.engine.fault("GET", "^/containers/json", rewrite=without_length, close_after=10**6)
    ah = autoheal(s.engine, ready=False, AUTOHEAL_INTERVAL="1", **s.settings)
    ah.wait_up()
    if goodbye:
        ah.wait_ready()
    else:
        harness.wait(lambda: fault.hits >= 2, 10, "the list to be asked for again")
        assert ah.get("/health").status == 503
        fault.remove()
        ah.wait_ready(15)
    sick_and_healed(s.engine, ah, s.web)


@pytest.mark.parametrize("goodbye", [True, False], ids=["close_notify", "cut"])
def test_a_stream_that_ends(site, autoheal, goodbye):
    """By close_notify or by a cut: it is taken up again at once, since the last event."""
    s = site()
    s.engine.close_notify = goodbye
    ah = autoheal(s.engine, **s.settings)
    fence(s.engine, ah)
    s.engine.drop_streams()
    assert "since" in s.engine.wait_request("GET", "^/events$", 2, 10).query
    sick_and_healed(s.engine, ah, s.web)


def test_a_restart_whose_answer_is_cut(site, autoheal):
    """Nobody knows what the engine did: it is looked at again, and healed in the end."""
    s = site()
    s.engine.close_notify = False
    ah = autoheal(s.engine, **s.settings, **QUICK, AUTOHEAL_RECOVERY_TIMEOUT="1")
    fault = s.engine.fault("POST", "/restart", times=1, close_after=10)
    s.engine.sicken(s.web)
    ah.wait_event("recovered", "web", 15)
    assert fault.hits == 1 and s.web.health == "healthy"


# ---- several engines

def test_certificates_of_each_engine(pki, make_engine, autoheal):
    """AUTOHEAL_HOSTS: those in DOCKER_CERT_PATH/NAME, else those in DOCKER_CERT_PATH itself."""
    one, two = Site(pki, make_engine), Site(pki, make_engine)
    other = pki.authority("other")
    two.serves(by=other, clients=other)
    two.web.name = "shop"
    (one.folder / "far").mkdir()
    pki.fill(one.folder / "far", other, pki.client(by=other, name="guest"))
    ah = autoheal(None, AUTOHEAL_HOSTS=f"near={one.engine.url},far=https://127.0.0.1:{two.engine.port}", **one.settings)
    sick_and_healed(one.engine, ah, one.web)
    sick_and_healed(two.engine, ah, two.web)
    assert {link.client for link in one.engine.links if link.shaken} == {"client"}
    assert {link.client for link in two.engine.links if link.shaken} == {"guest"}


# ---- the documentation

def recipe():
    """The commands that docs/configuration.md gives for making certificates."""
    section = DOCS.read_text().split("\n## TLS\n")[1].split("\n## ")[0]
    return re.search(r"```sh\n(.*?)```", section, re.S).group(1)


def test_the_documented_certificates(tmp_path, make_engine, pki, autoheal):
    """The commands of the documentation, as they stand there, and the files they leave."""
    subprocess.run(["sh", "-eu"], input=recipe(), text=True, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server/cert.pem", tmp_path / "server/key.pem")
    context.load_verify_locations(tmp_path / "server/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    engine = make_engine(tcp=True, tls=context)
    web = engine.add("web", labels=LABEL)
    ah = autoheal(engine, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=tmp_path / "client")
    sick_and_healed(engine, ah, web)
    assert {link.client for link in engine.links if link.shaken} == {"autoheal"}
    assert sorted(p.name for p in pathlib.Path(tmp_path / "client").iterdir()) == ["ca.pem", "cert.pem", "key.pem"]
    assert not os.path.exists(tmp_path / "client/ca-key.pem")

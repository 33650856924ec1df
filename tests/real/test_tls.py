"""A real dockerd behind --tlsverify: Go's TLS, Docker's own checks of who comes."""
import re

import pytest

from certificates import Certificates, day
from conftest import engine_or_fail
from harness import free_port, wait

LABEL = {"autoheal": "true"}


class Site:
    """One dockerd, its authority, and a client's folder; what the engine shows may change between its starts."""

    def __init__(self, folder):
        self.pki = Certificates(folder)
        self.ca = self.pki.authority()
        self.client = self.pki.client(by=self.ca)
        self.folder = self.pki.folder("client", self.ca, self.client)
        self.port = free_port()
        self.shown = None
        self.engine = None

    def shows(self, server):
        """The engine runs, with this certificate, and lets in clients of the authority."""
        if self.shown is server:
            return
        files = self.pki.server_files("engine", server)
        (files / "ca.pem").write_text(self.ca.text())
        if self.engine:
            self.engine.terminate()
            self.engine.start()
        else:
            self.engine = engine_or_fail(live_restore=True, tls=files, port=self.port)
        self.shown = server


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("tls"))
    made.plain = made.pki.server("DNS:localhost", "IP:127.0.0.1", by=made.ca)
    made.shows(made.plain)
    yield made
    if made.engine:
        made.engine.stop()


@pytest.fixture
def tls(site):
    """The engine with its EC certificate for localhost and 127.0.0.1; containers are removed after the test."""
    site.shows(site.plain)
    yield site
    site.engine.remove_all()


def heals(site, autoheal, host, name, **settings):
    """Starts the service and heals a container through it."""
    web = site.engine.run(name, labels=LABEL)
    service = autoheal(host, **settings)
    web.wait_health("healthy")
    before = web.started()
    web.sick()
    web.wait_restarted(before)
    service.wait_event("recovered", name, timeout=15)
    return service


def refuses(autoheal, host, sentence, **settings):
    """Starts the service; the log and the status must say why it does not connect."""
    service = autoheal(host, ready=False, **settings).wait_up()
    service.wait_log(re.escape(sentence), 10)
    wait(lambda: sentence in (service.get("/api/status").json()["engines"][0]["error"] or ""), 10, "the status to tell")
    return service


def test_a_heal(tls, autoheal):
    """EC keys; the certificate bears the address."""
    heals(tls, autoheal, f"tcp://127.0.0.1:{tls.port}", "ec", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=tls.folder)


def test_by_name_as_willfarrell_spells_it(tls, autoheal):
    folder = tls.pki.folder("willfarrell", tls.ca, tls.client, willfarrell=True)
    heals(tls, autoheal, None, "tcps", DOCKER_SOCK=f"tcps://localhost:{tls.port}", DOCKER_CERT_PATH=folder)


@pytest.mark.parametrize("key,form", [("RSA-2048", "PKCS#8"), ("RSA-2048", "traditional"), ("P-384", "traditional")])
def test_keys_of_clients(tls, autoheal, key, form):
    """dockerd lets in each kind of key; the list and the stream come by it."""
    folder = tls.pki.folder(f"{key}-{form}", tls.ca, tls.pki.client(by=tls.ca, key=key), form)
    autoheal(f"https://localhost:{tls.port}", DOCKER_CERT_PATH=folder)


def test_what_is_refused(tls, autoheal):
    """A name that the certificate does not bear, an authority that did not sign it, a client of another one, none."""
    other = tls.pki.authority("other")
    address = f"tcp://127.0.0.1:{tls.port}"
    refuses(autoheal, address, "ca.pem did not sign the server's certificate", DOCKER_TLS_VERIFY="1",
            DOCKER_CERT_PATH=tls.pki.folder("stranger", other, tls.client))
    refuses(autoheal, address, "the server did not accept cert.pem",
            DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=tls.pki.folder("guest", tls.ca, tls.pki.client(by=other)))
    refuses(autoheal, address, "the server wants a client certificate, and cert.pem and key.pem are missing",
            DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=tls.pki.folder("bare", tls.ca))
    refuses(autoheal, address, "Client sent an HTTP request to an HTTPS server. Set DOCKER_TLS_VERIFY=1")


def test_another_certificate_after_a_restart_of_the_engine(tls, autoheal):
    """RSA with a certificate between it and the root, then one for others, one that has expired, and the first again:
    the service that runs all the while follows, and says what is wrong meanwhile."""
    root = tls.pki.authority("root", "RSA-2048")
    between = tls.pki.authority("between", "RSA-2048", by=root)
    chain = tls.pki.server("IP:127.0.0.1", by=between, key="RSA-2048", name="rsa")
    folder = tls.pki.folder("both", [tls.ca, root], tls.client)
    tls.shows(chain)
    service = heals(tls, autoheal, f"tcp://127.0.0.1:{tls.port}", "rsa", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=folder)
    for server, sentence in [
        (tls.pki.server("DNS:localhost", "IP:127.0.0.9", by=tls.ca),
         "the server's certificate is for localhost, 127.0.0.9; not for 127.0.0.1"),
        (tls.pki.server("IP:127.0.0.1", by=tls.ca, start=-9, end=-2), f"the server's certificate expired on {day(-2)}"),
    ]:
        tls.shows(server)
        service.wait_log(re.escape(sentence), 15)
    tls.shows(tls.plain)
    service.wait_ready(15)

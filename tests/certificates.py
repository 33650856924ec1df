"""Keys and certificates for the tests of TLS, made by the openssl command.

    made = Certificates(tmp_path)
    ca = made.authority()
    server = made.server("DNS:*.shop.example", "IP:127.0.0.1", by=ca)
    folder = made.folder("client", ca=ca, client=made.client(by=ca))    # ca.pem, cert.pem, key.pem
    context = made.context(server, clients=ca)                          # of a server that wants client certificates

Keys take the longest, so they are kept in a folder that several processes may share.
"""
import contextlib
import datetime
import fcntl
import itertools
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import tempfile

KEYS = {
    "P-256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "P-384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "P-521": ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "secp256k1": ["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    "RSA-2048": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "RSA-4096": ["RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
    "RSA-PSS": ["RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
    "Ed25519": ["ED25519"],
}
# The suites of a server that has no AEAD, only CBC: what we do not speak.
CBC = "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"

CONFIG = """
[ca]
default_ca = all
[all]
database = {scratch}/index
new_certs_dir = {scratch}
rand_serial = yes
default_md = default
policy = any
[any]
commonName = supplied
[extensions]
{extensions}
"""


def openssl(*args):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=60, check=False)
    assert done.returncode == 0, f"openssl {' '.join(map(str, args))}: {done.stderr}"
    return done.stdout


def day(offset):
    """The date that many days from now, as a sentence shows it."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).strftime("%Y-%m-%d")


class Certificate:
    """A certificate: its file, the file of its key (PKCS#8), the name it is signed with, and who signed it (None:
    itself)."""

    def __init__(self, name, pem, key, by):
        self.name, self.pem, self.key, self.by = name, pem, key, by

    def text(self):
        return self.pem.read_text()

    def chain(self):
        """The file a server sends: itself, then whoever stands between it and the root."""
        out, one = "", self
        while one.by:
            out += one.text()
            one = one.by
        return out or self.text()


class Certificates:
    """Makes them in a folder. `keys` is where keys are kept for others too."""

    def __init__(self, folder, keys=None):
        self.root = pathlib.Path(folder) / "certificates"
        self.root.mkdir(parents=True, exist_ok=True)
        self.keys = pathlib.Path(keys or self.root / "keys")
        self.keys.mkdir(parents=True, exist_ok=True)
        self.numbers = itertools.count(1)

    # -- keys

    def key(self, kind="P-256", owner="server"):
        """The file of a key in PKCS#8: the same one for the same owner."""
        path = self.keys / f"{kind}-{owner}.pem"
        if path.exists():
            return path
        with open(self.keys / f"{kind}-{owner}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                openssl("genpkey", "-algorithm", *KEYS[kind], "-out", f"{path}.new")
                os.rename(f"{path}.new", path)
        return path

    @staticmethod
    def key_text(path, form="PKCS#8"):
        """The key as PEM: PKCS#8, or `traditional` (PKCS#1 of an RSA key, SEC1 of an EC key), or with a passphrase."""
        if form == "PKCS#8":
            return pathlib.Path(path).read_text()
        if form == "passphrase":
            return openssl("pkcs8", "-topk8", "-in", path, "-passout", "pass:secret")
        return openssl("pkey", "-in", path, "-traditional")

    # -- certificates

    def sign(self, name, key, by, extensions, start=-1, end=30, sigopt=()):
        """A certificate from `start` to `end` (days from now); without `by` it signs itself."""
        pem = self.root / f"{name}-{next(self.numbers)}.pem"
        dates = [(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=d)).strftime("%Y%m%d%H%M%SZ")
                 for d in (start, end)]
        with tempfile.TemporaryDirectory(dir=self.root) as scratch:
            scratch = pathlib.Path(scratch)
            (scratch / "index").touch()
            (scratch / "config").write_text(CONFIG.format(scratch=scratch, extensions="\n".join(extensions)))
            openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", scratch / "csr")
            signer = ["-cert", by.pem, "-keyfile", by.key] if by else ["-selfsign", "-keyfile", key]
            openssl("ca", "-batch", "-notext", "-config", scratch / "config", "-extensions", "extensions", *signer,
                    "-startdate", dates[0], "-enddate", dates[1], *(x for o in sigopt for x in ("-sigopt", o)),
                    "-in", scratch / "csr", "-out", pem)
        return Certificate(name, pem, key, by)

    def authority(self, name="ca", key="P-256", by=None, **kw):
        """A certificate that signs others: a root, or with `by` one between."""
        return self.sign(name, self.key(key, name), by, [
            "basicConstraints = critical, CA:TRUE", "keyUsage = critical, keyCertSign, cRLSign",
            "subjectKeyIdentifier = hash"], **kw)

    def server(self, *names, by, key="P-256", name="server", usage="serverAuth", **kw):
        """A server's, for names such as DNS:docker.example or IP:127.0.0.1."""
        extensions = ["basicConstraints = CA:FALSE", f"extendedKeyUsage = {usage}"]
        if names:
            extensions.append("subjectAltName = " + ", ".join(names))
        return self.sign(name, self.key(key, name), by, extensions, **kw)

    def client(self, by, key="P-256", name="client", usage="clientAuth", **kw):
        return self.sign(name, self.key(key, name), by, ["basicConstraints = CA:FALSE", f"extendedKeyUsage = {usage}"], **kw)

    # -- what the two sides are given

    def folder(self, name, ca, client=None, form="PKCS#8", willfarrell=False):
        """A folder with ca.pem (`ca`: one or several) and the client's certificate and key, as DOCKER_CERT_PATH."""
        path = self.root / name
        path.mkdir(exist_ok=True)
        self.fill(path, ca, client, form, willfarrell)
        return path

    def fill(self, path, ca, client=None, form="PKCS#8", willfarrell=False):
        """Puts other files in the place of those that are there, as a person or a tool does that renews them."""
        authorities = ca if isinstance(ca, (list, tuple)) else [ca]
        replace(path / "ca.pem", "".join(a.text() for a in authorities))
        if client:
            before = "client-" if willfarrell else ""
            replace(path / f"{before}cert.pem", client.chain())
            replace(path / f"{before}key.pem", self.key_text(client.key, form))

    def server_files(self, name, server):
        """A folder with cert.pem (the chain) and key.pem of a server."""
        path = self.root / name
        path.mkdir(exist_ok=True)
        (path / "cert.pem").write_text(server.chain())
        shutil.copyfile(server.key, path / "key.pem")
        return path

    def context(self, server, clients=None, newest=ssl.TLSVersion.TLSv1_3, oldest=ssl.TLSVersion.TLSv1_2, ciphers=None):
        """What a server of Python's speaks TLS with; with `clients` only clients that one of these signed are let in."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = oldest, newest
        if ciphers:
            context.set_ciphers(ciphers)
        files = self.server_files(f"server-{next(self.numbers)}", server)
        context.load_cert_chain(files / "cert.pem", files / "key.pem")
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            for authority in clients if isinstance(clients, (list, tuple)) else [clients]:
                context.load_verify_locations(authority.pem)
        return context


def replace(path, text):
    """The new file appears whole, under its name."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.rename(new, path)

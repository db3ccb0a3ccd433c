"""A real directory: OpenLDAP's slapd on free ports of loopback, with a certificate of its own."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
"""Where slapd lies; most people's PATH has no sbin."""
PATIENCE = 60
"""Seconds to wait for what should take none."""
ATTEMPTS = 5
"""How often other ports are tried when somebody else took the first."""
PEOPLE = "ou=people,dc=example,dc=org"

CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
database mdb
maxsize 16777216
suffix "dc=example,dc=org"
directory {folder}/data
access to * by anonymous auth by * none
"""


class Directory:
    """A slapd, running or not; it keeps its ports.

    Attributes:
        port: where it speaks LDAP.
        tlsPort: where it speaks LDAP over TLS.
        ca: a file with the certificate that its own is signed with.
    """

    port: int
    tlsPort: int

    def __init__(self, slapd: str, folder: Path) -> None:
        self.ca = folder / "ca.pem"
        self._slapd = slapd
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def ldap(self, extensions: str = "") -> str:
        """Return its ldap:// URL."""
        return f"ldap://127.0.0.1:{self.port}/uid=%u,{PEOPLE}{extensions}"

    def ldaps(self, host: str = "127.0.0.1") -> str:
        """Return its ldaps:// URL."""
        return f"ldaps://{host}:{self.tlsPort}/uid=%u,{PEOPLE}"

    def choosePorts(self) -> None:
        """Start on ports that are free."""
        for attempt in range(ATTEMPTS):
            with socket.socket() as first, socket.socket() as second:
                first.bind(("127.0.0.1", 0))
                second.bind(("127.0.0.1", 0))
                self.port, self.tlsPort = first.getsockname()[1], second.getsockname()[1]
            try:
                return self.start()
            except RuntimeError:
                if attempt == ATTEMPTS - 1:
                    raise

    def start(self) -> None:
        """Start, and wait until it answers.

        Raises:
            RuntimeError: when it ends instead; the text holds what it said.
        """
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tlsPort}"
        log = self._folder / "slapd.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [self._slapd, "-d", "0", "-h", urls, "-f", str(self._folder / "slapd.conf")],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + PATIENCE
        try:
            while not self._answers():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"slapd does not run: {log.read_text(errors='replace')}")
                time.sleep(0.02)
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        try:
            for port in (self.port, self.tlsPort):
                with socket.create_connection(("127.0.0.1", port), PATIENCE):
                    pass
        except OSError:
            return False
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop; start() starts it again."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()


@contextmanager
def directory(
    need, folder: Path, users: dict[str, str], names: tuple[str, ...] = ("localhost", "127.0.0.1")
) -> Iterator[Directory]:
    """Run a directory until the end of the block.

    Args:
        need: the fixture.
        folder: where all its files go, into a folder of their own.
        users: the passwords.
        names: the hosts that its certificate is for.
    """
    slapd, slapadd = (need(shutil.which(name, path=PATH) or name) for name in ("slapd", "slapadd"))
    folder = folder / "directory"
    (folder / "data").mkdir(parents=True)
    writeCertificates(folder, names)
    (folder / "slapd.conf").write_text(CONFIGURATION.format(folder=folder))
    subprocess.run(
        [slapadd, "-f", str(folder / "slapd.conf")],
        input=entries(users).encode(),
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    running = Directory(slapd, folder)
    try:
        running.choosePorts()
        yield running
    finally:
        running.stop()


def entries(users: dict[str, str]) -> str:
    """Return users as LDIF."""
    people = [
        "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: Example\n",
        f"dn: {PEOPLE}\nobjectClass: organizationalUnit\n",
    ]
    for user, password in users.items():
        # Every byte is escaped here, so the DN says nothing about which ones have to be.
        name = "".join(f"\\{byte:02x}" for byte in user.encode())
        people.append(
            f"dn: uid={name},{PEOPLE}\nobjectClass: account\nobjectClass: simpleSecurityObject\n"
            f"uid:: {encoded(user)}\nuserPassword:: {encoded(password)}\n"
        )
    return "\n".join(people)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def writeCertificates(folder: Path, names: tuple[str, ...]) -> None:
    """Write ca.pem, and server.pem and server.key, which it has signed for names."""
    caKey, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a throw-away CA")])
    server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a throw-away directory")])
    alternatives = x509.SubjectAlternativeName([generalName(name) for name in names])
    identifier = x509.SubjectKeyIdentifier.from_public_key(caKey.public_key())
    signing = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    authority = (
        builder(ca, ca, caKey)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(signing, critical=True)
        .add_extension(identifier, critical=False)
        .sign(caKey, hashes.SHA256())
    )
    certificate = (
        builder(ca, server, key)
        .add_extension(alternatives, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(caKey, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def generalName(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )

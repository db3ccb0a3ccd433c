"""Logins that a real directory decides, by a simple bind."""

import contextlib
import socket
import ssl
import sys
import threading
from pathlib import Path

import pytest
from slapd import PATIENCE, PEOPLE, Directory, directory

ACCEPTED = b"Login successful, please proceed.\r\n"
DENIED = b"Login denied, goodbye.\r\n"
TOO_LONG = b"Login line too long, goodbye.\r\n"

ODD = 'a,b+c="d"\\<e>;#'
USERS = {"alice": "pa ss", "b\u00f6b": "p\u00e4ss", ODD: "odd", "#hash": "hashed"}
KINDS = ("ldap", "StartTLS", "ldaps")


@pytest.fixture(scope="module")
def running(need, tmp_path_factory):
    """A directory for all the tests that don't stop it."""
    with directory(need, tmp_path_factory.mktemp("slapd"), USERS) as slapd:
        yield slapd


def url(slapd: Directory, kind: str) -> str:
    return {
        "ldap": slapd.ldap(),
        "StartTLS": slapd.ldap("????!StartTLS"),
        "ldaps": slapd.ldaps(),
    }[kind]


def login(server, line: bytes) -> bytes:
    """Send a first line and more, close our side, and return all that comes."""
    with server.connect() as connection:
        with contextlib.suppress(OSError):  # the server may have gone by then
            connection.sendall(line + b"\n.")
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.fixture
def serveLDAP(serve):
    """Return a function that runs a server which trusts a CA and asks several checkers."""

    def run(ca: Path, *checkers: str):
        options = [part for checker in checkers for part in ("--auth", checker)]
        command = ("env", f"SSL_CERT_FILE={ca}", sys.executable, "-m", "sshecho", "serve")
        return serve(*options, "--ssh", "off", command=command)

    return run


def said(server, text: str) -> list[str]:
    return [line for line in server.lines if text in line]


@pytest.mark.parametrize("kind", KINDS)
def test_logins(serveLDAP, running, kind):
    """Who has the right password gets in, odd names included, and nobody else does."""
    with serveLDAP(running.ca, f"ldap:{url(running, kind)}") as server:
        for user, password in USERS.items():
            line = f"{user} {password}".encode()
            assert login(server, line) == ACCEPTED + b"."
            assert login(server, line + b"x") == DENIED
            assert login(server, user.encode() + b" ") == DENIED
        for line in (
            b"nobody x",
            b" pa ss",
            b"alice",
            b"alice \0",
            b"alice pa ss\0",
            b"alice \xff",
            b"alice\0 pa ss",
            b"alice\xff pa ss",
            b"\xff\xfe x",
            b"alice,ou=people pa ss",
            b"*) pa ss",
            b"* pa ss",
            b"alice\\2cou=people pa ss",
        ):
            assert login(server, line) == DENIED, line
        assert login(server, b"alice " + b"x" * 65536) == TOO_LONG
        assert login(server, b"alice pa ss") == ACCEPTED + b"."
        assert not said(server, "mended")
        assert not said(server, "Traceback")
        assert not said(server, "pa ss")


def test_by_name(serveLDAP, running):
    """A directory is found by its name, which its certificate holds too."""
    with serveLDAP(running.ca, f"ldap:{running.ldaps('localhost')}") as server:
        assert login(server, b"alice pa ss") == ACCEPTED + b"."


@pytest.mark.parametrize("kind", ["StartTLS", "ldaps"])
def test_not_trusted(serveLDAP, running, certificate, kind):
    """A directory whose certificate nobody vouches for is not asked, which is said in one line."""
    with serveLDAP(certificate, f"ldap:{url(running, kind)}") as server:
        for _ in range(3):
            assert login(server, b"alice pa ss") == DENIED
        [line] = said(server, "until it is mended")
        assert "TLS: certificate verify failed; until" in line
        assert not said(server, "Traceback")
        assert not said(server, "pa ss")


@pytest.mark.parametrize("kind", ["StartTLS", "ldaps"])
def test_another_host(need, serveLDAP, private, kind):
    """A certificate for another host is as bad as none, and that is said in one line."""
    with (
        directory(need, private, USERS, names=("other.example",)) as slapd,
        serveLDAP(slapd.ca, f"ldap:{url(slapd, kind)}") as server,
    ):
        for _ in range(3):
            assert login(server, b"alice pa ss") == DENIED
        [line] = said(server, "until it is mended")
        assert "127.0.0.1" in line
        assert "TLS: the certificate is for another host; until" in line
        assert not said(server, "Traceback")
        assert not said(server, "pa ss")


def test_password_is_kept_from_another_host(need, serveLDAP, private):
    """A host that has a good certificate, but for another name, is not sent the password."""
    with directory(need, private, {}, names=("other.example",)) as slapd:
        slapd.stop()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(slapd.ca.with_name("server.pem"), slapd.ca.with_name("server.key"))
        received: list[bytes] = []

        def listen():
            connection, _ = listening.accept()
            connection.settimeout(PATIENCE)
            received.append(b"")
            with contextlib.suppress(OSError), context.wrap_socket(connection, True) as encrypted:
                received.append(encrypted.recv(1000))

        with socket.create_server(("127.0.0.1", slapd.tlsPort)) as listening:
            thread = threading.Thread(target=listen, daemon=True)
            listening.settimeout(PATIENCE)
            thread.start()
            with serveLDAP(slapd.ca, f"ldap:{slapd.ldaps()}") as server:
                assert login(server, b"alice pa ss") == DENIED
            thread.join(PATIENCE)
        assert received  # it was asked
        assert b"".join(received) == b""


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_and_started(need, serveLDAP, private, kind):
    """A directory that is stopped denies, is said to once, and works again without a restart."""
    with (
        directory(need, private, USERS) as slapd,
        serveLDAP(slapd.ca, f"ldap:{url(slapd, kind)}") as server,
    ):
        assert login(server, b"alice pa ss") == ACCEPTED + b"."
        slapd.stop()
        for _ in range(3):
            assert login(server, b"alice pa ss") == DENIED
        [line] = said(server, "until it is mended")
        assert "refused; until it is mended it lets nobody in" in line
        slapd.start()
        assert login(server, b"alice pa ss") == ACCEPTED + b"."
        assert login(server, b"alice pa s") == DENIED
        assert len(said(server, "it is mended, and lets people in again")) == 1
        assert not said(server, "Traceback")


def test_next_is_asked(need, serveLDAP, private):
    """Where the directory is dead the next in the chain is asked, and no other gets in."""
    with directory(need, private, USERS) as slapd:
        checkers = (f"ldap:{slapd.ldap()}", "memory:foo:bar")
        with serveLDAP(slapd.ca, *checkers) as server:
            assert login(server, b"foo bar") == ACCEPTED + b"."
            slapd.stop()
            assert login(server, b"foo bar") == ACCEPTED + b"."
            assert login(server, b"foo baz") == DENIED
            assert login(server, b"alice pa ss") == DENIED


def test_mute_directory(serveLDAP, certificate):
    """While a directory does not answer others are served, and its user waits."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"ldap://127.0.0.1:{mute.getsockname()[1]}/uid=%u,{PEOPLE}"
        with (
            serveLDAP(certificate, "memory:foo:bar", f"ldap:{address}") as server,
            server.connect() as waiting,
        ):
            waiting.sendall(b"alice pa ss\n")
            asked, _ = mute.accept()
            with asked:
                assert b"uid=alice" in asked.recv(1000)
                assert login(server, b"foo bar") == ACCEPTED + b"."
                waiting.setblocking(False)
                with pytest.raises(BlockingIOError):
                    waiting.recv(1)
                assert not said(server, "until it is mended")

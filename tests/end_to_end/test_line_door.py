"""The line door, with telnet and with a raw socket."""

import contextlib
import random
import socket
import struct
import subprocess
import threading

import pexpect
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ACCEPTED = b"Login successful, please proceed.\r\n"
DENIED = b"Login denied, goodbye.\r\n"


def telnet(need, server):
    child = pexpect.spawn(
        need("telnet"), ["localhost", str(server.line_port)], timeout=30, encoding="utf-8"
    )
    child.setecho(False)
    child.expect_exact("Escape character is '^]'.\r\n")
    return child


def test_as_in_the_chapter(need, server):
    """The chapter's session: the pair, the answer, and each line back."""
    child = telnet(need, server)
    child.sendline("user pass")
    child.expect_exact("Login successful, please proceed.\r\n")
    for line in ("Hi", "Quit"):
        child.sendline(line)
        child.expect_exact(f"{line}\r\n")
    child.close()


def test_denied_by_telnet(need, server):
    """`foo bar` is denied, and the connection is closed."""
    child = telnet(need, server)
    child.sendline("foo bar")
    child.expect_exact("Login denied, goodbye.\r\n")
    child.expect_exact("Connection closed by foreign host.")
    child.expect(pexpect.EOF)


def talk(server, *pieces: bytes) -> bytes:
    """Send, close our side, and return all that comes."""
    with server.connect() as connection:

        def send():
            with contextlib.suppress(OSError):  # the server may have gone by then
                for piece in pieces:
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        sender.join()
        return received


def test_half_close(server):
    """A client that closes its side at once still gets its answer and all of its echo."""
    assert talk(server, b"user pass\r\nHi") == ACCEPTED + b"Hi"
    assert talk(server, b"foo bar\r\n") == DENIED
    assert talk(server, b"user pass") == DENIED


def test_bytes_come_back(server):
    """8 MiB of noise come back identical."""
    noise = random.Random(3).randbytes(8 << 20)
    assert talk(server, b"user pass\n", noise) == ACCEPTED + noise


@given(
    st.lists(st.binary(min_size=1, max_size=70_000), max_size=6), st.sampled_from([b"\n", b"\r\n"])
)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_pieces(server, pieces, end):
    """In pieces of every size, behind the login in one write or in many, no byte is lost."""
    received = talk(server, b"user ", b"pass" + end, *pieces)
    assert received == ACCEPTED + b"".join(pieces)


@pytest.mark.parametrize("more", [b"", b"\nand more"])
def test_too_long(server, more):
    """A first line without an end is told so, though the client is still sending."""
    received = talk(server, b"x" * 200_000 + more)
    assert received == b"Login line too long, goodbye.\r\n"


def test_reset(server):
    """A client that breaks off is no trouble to the next."""
    for sent in (b"", b"user", b"user pass\n", b"user pass\n" + b"x" * 10_000):
        connection = server.connect()
        connection.sendall(sent)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert talk(server, b"user pass\n.") == ACCEPTED + b"."


def test_telnet_spoken(server):
    """A client that begins with IAC has every option refused, and 0xFF doubled."""
    with server.connect() as connection:
        connection.sendall(b"\xff\xfd\x03\xff\xfb\x18user pass\r\n\xff\xff\r\0.")
        expected = b"\xff\xfc\x03\xff\xfe\x18" + ACCEPTED + b"\xff\xff\r."
        received = b""
        while len(received) < len(expected):
            received += connection.recv(1000)
        assert received == expected


def test_no_passwords(serve, write):
    """Where only keys let in, a password is denied like any other, and it is said why."""
    path = write("authorized", b"")
    with serve("--auth", f"keys:alice={path}") as server:
        assert talk(server, b"alice x\r\n.") == DENIED
    assert any(line.endswith("no checker takes passwords") for line in server.lines)


def test_anonymous(serve):
    """The line `anonymous` gets in where that is wanted, and no other name does."""
    with serve("--auth", "anonymous", "--ssh", "off") as server:
        assert talk(server, b"anonymous\r\n.") == ACCEPTED + b"."
        assert talk(server, b"anonymous x\r\n.") == DENIED
        assert talk(server, b"root\r\n.") == DENIED


def test_files_and_hashes(serve, write):
    """Users from a file of hashes and plain text get in, one behind the other or all at once."""
    import bcrypt

    secret = bcrypt.hashpw(b"pa ss", bcrypt.gensalt(6))
    path = write("users", b"alice:" + secret + "\nb\u00f6b:p\u00e4ss\n".encode())
    with serve("--auth", f"file:{path}", "--ssh", "off") as server:
        assert "plain text" in server.lines[0]
        for line, answer in [
            (b"alice pa ss", ACCEPTED),
            ("b\u00f6b p\u00e4ss".encode(), ACCEPTED),
            (b"alice pa", DENIED),
            (b"alice " + secret, DENIED),
            (b"carol ", DENIED),
        ]:
            assert talk(server, line + b"\n") == answer
        assert not any("pa ss" in line or "p\u00e4ss" in line for line in server.lines)


def test_tls(need, serve, certificate):
    """Behind an ssl: endpoint the same door speaks TLS."""
    with serve(
        "--line", f"ssl:0:privateKey={certificate}:interface=127.0.0.1", "--ssh", "off"
    ) as server:
        for line, answer in [
            (b"user pass\r\nHi\r\n", ACCEPTED + b"Hi\r\n"),
            (b"foo bar\r\n", DENIED),
        ]:
            client = subprocess.Popen(
                [
                    need("openssl"),
                    "s_client",
                    "-quiet",
                    "-connect",
                    f"127.0.0.1:{server.line_port}",
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            client.stdin.write(line)
            client.stdin.flush()
            assert client.stdout.read(len(answer)) == answer
            client.kill()
            client.communicate()

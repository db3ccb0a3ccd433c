"""fail2ban reads the audit log with our filter."""

import subprocess
from base64 import b64encode
from http.client import HTTPConnection

import pytest
from attacking.attacker import Attacker, closedWithin
from helpers import eventually
from serving import PATIENCE, ROOT
from sshpair import USERAUTH_FAILURE
from twisted.conch.ssh.common import NS
from watching import target

FILTER = ROOT / "scripts" / "deploy" / "fail2ban" / "filter.d" / "sshecho.conf"
NAMES = [b"user", b'x", "peer": "127.0.0.99:1', b"a\\", b"\xff\x00\n", b"\xe6\xbc\xa2", b"{" * 200]


@pytest.fixture
def found(need):
    """Return a function that returns the addresses that fail2ban finds, each time it finds one."""
    program = need("fail2ban-regex")

    def find(audit, mode):
        command = [program, "-o", "ip", str(audit), f"{FILTER}[mode={mode}]"]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True, text=True)
        return sorted(done.stdout.split())

    return find


def test_who_is_banned(serve, write, userKey, found):
    """Guessers are found, at both doors, under whatever name they come; who offers a key is not."""
    keys = write("authorized_keys", userKey.public().toString("openssh"))
    audit = keys.parent / "audit"
    options = ("--auth", "memory:user:pass", "--auth", f"keys:user={keys}", "--audit", str(audit))
    with serve(*options) as server:
        attackers = []
        for name in NAMES:
            with target(server, "127.0.0.2").connect(server.line_port) as connection:
                connection.sendall(name.replace(b"\n", b" ") + b" wrong\n")
                assert closedWithin(connection, 10)
            attackers.append(Attacker(target(server, "127.0.0.3", user=name)).userauth())
            attackers[-1].socket.sendall(attackers[-1].guess(b"wrong"))
        for attacker in attackers:
            attacker.until(USERAUTH_FAILURE)
        offering = Attacker(target(server, "127.0.0.4")).userauth()
        blob = NS(b"ssh-ed25519") + NS(bytes(32))
        shown = offering.request(b"publickey", b"\0", NS(b"ssh-ed25519"), NS(blob))
        offering.socket.sendall(shown)
        offering.until(USERAUTH_FAILURE)
        Attacker(target(server, "127.0.0.5")).send(99)
        target(server, "127.0.0.6").lineSession().close()
        eventually(lambda: "protocol.error" in audit.read_text())
    guesses = sorted(["127.0.0.2", "127.0.0.3"] * len(NAMES))
    assert found(audit, "normal") == guesses
    assert found(audit, "aggressive") == [*guesses, "127.0.0.4", "127.0.0.5"]


def test_what_was_not_checked(serve, write, found):
    """Who is denied because the file of users is gone is not banned."""
    users = write("users", "user:pass\n")
    audit = users.parent / "audit"
    with serve("--auth", f"file:{users}", "--audit", str(audit)) as server:
        users.unlink()
        for name in (b"user", b'"checked": false'):
            aim = target(server, "127.0.0.2")
            with aim.connect(server.line_port) as connection:
                connection.sendall(name + b" pass\n")
                assert closedWithin(connection, 10)
        write("users", "user:pass\n")
        with target(server, "127.0.0.3").connect(server.line_port) as connection:
            connection.sendall(b'","checked":false wrong\n')
            assert closedWithin(connection, 10)
    for mode in ("normal", "aggressive"):
        assert found(audit, mode) == ["127.0.0.3"]


def test_who_guesses_at_the_page(serve, private, found):
    """Guessers are found at the web endpoint too, whatever name they give; its users are not."""
    audit = private / "audit"
    metrics = ("--metrics", "tcp:0:interface=127.0.0.1", "--admin", "ann")
    options = ("--auth", "memory:ann:secret", "--audit", str(audit), *metrics)
    with serve(*options) as server:
        for source, pair in (
            *(("127.0.0.2", name.replace(b":", b";") + b":wrong") for name in NAMES),
            ("127.0.0.3", b"ann:secret"),
        ):
            connection = HTTPConnection(
                "127.0.0.1", server.web_port, PATIENCE, source_address=(source, 0)
            )
            said = b64encode(pair).decode()
            connection.request("GET", "/", headers={"Authorization": f"Basic {said}"})
            assert connection.getresponse().status in (200, 401)
            connection.close()
    assert found(audit, "normal") == ["127.0.0.2"] * len(NAMES)


def test_addresses(private, found):
    """IPv6 addresses are found too."""
    audit = private / "audit"
    audit.write_text(
        '{"time": "2026-01-02T03:04:05.678Z", "event": "login.denied", "door": "line", '
        '"connection": "0123456789ab", "peer": "[2001:db8::1]:5555", "user": null, '
        '"method": "password", "why": "no password"}\n'
    )
    assert found(audit, "normal") == ["2001:db8::1"]

"""Each fault, as real clients see it: what their users are told."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import threading

import pytest
from faultclients import (
    CLIENTS,
    Outcome,
    asyncsshConnect,
    described,
    lineOutcome,
    paramikoClient,
    sshCommand,
    withAsyncssh,
    withOpenSSH,
    withParamiko,
)
from serving import PATIENCE, environment

from sshecho.testing.faults.garbage import GARBAGE

LONG = "x" * 8000
SHORT = 0.3
"""Seconds that are enough for a client that is to give up."""
ACCEPTED = b"Login successful, please proceed.\r\n"
WINDOW = 1 << 17


@pytest.fixture(autouse=True)
def openSSH(need):
    return need("ssh")


CLOSED = r"Connection closed by 127\.0\.0\.1 port \d+"
SAID = {
    "drop-at=version": (
        "kex_exchange_identification: Connection closed by remote host\r\n" + CLOSED,
        "SSHException: Error reading SSH protocol banner",
        "ConnectionLost: Connection lost",
    ),
    "drop-at=kex": (CLOSED, "EOFError", "ConnectionLost: Connection lost"),
    "drop-at=auth": (
        CLOSED,
        "AuthenticationException: Authentication failed: transport shut down or saw EOF",
        "ConnectionLost: Connection lost",
    ),
    "drop-at=session": (
        r"Connection to 127\.0\.0\.1 closed by remote host\.",
        "EOFError",
        "ConnectionLost: Connection lost",
    ),
    "garbage=version": (
        "kex_exchange_identification: banner line contains invalid characters\r\n"
        r"banner exchange: Connection to 127\.0\.0\.1 port \d+: invalid format",
        "SSHException: Error reading SSH protocol banner'utf-8' codec can't decode byte 0xcd .*",
        None,
    ),
    "garbage=kex": (
        r"Bad packet length 3439799512\.\r\nssh_dispatch_run_fatal: .*",
        "SSHException: Invalid packet blocking",
        "ProtocolError: Max packet size exceeded",
    ),
    "garbage=auth": (
        r"Bad packet length 3439799512\.\r\nssh_dispatch_run_fatal: .*: Connection corrupted",
        None,
        "ProtocolError: Max packet size exceeded",
    ),
    "garbage=session": (
        r"Bad packet length 3439799512\.\r\nssh_dispatch_run_fatal: .*: Connection corrupted",
        None,
        "ProtocolError: Max packet size exceeded",
    ),
    "new-host-key": (
        r"(?s).*REMOTE HOST IDENTIFICATION HAS CHANGED!.*Host key verification failed\.",
        r"BadHostKeyException: Host key for server '127\.0\.0\.1' does not match: got .*",
        r"HostKeyNotVerifiable: Host key is not trusted for host 127\.0\.0\.1",
    ),
    "deny=100": (
        r"user@127\.0\.0\.1: Permission denied \(publickey,password,keyboard-interactive\)\.",
        r"AuthenticationException: Authentication failed\.",
        r"PermissionDenied: Permission denied for user user on host 127\.0\.0\.1",
    ),
}
"""What each of CLIENTS says; None where it waits for what never comes."""
CASES = [
    (fault, client, text)
    for fault, texts in SAID.items()
    for client, text in zip(CLIENTS, texts, strict=True)
    if text is not None
]


@pytest.mark.parametrize(("fault", "client", "text"), CASES, ids=lambda each: str(each)[:20])
def test_failure(sshecho, fault, client, text):
    """A client's user is told this, in these words; without the fault all is well again."""
    with sshecho.misbehave(fault):
        outcome = CLIENTS[client](sshecho, "hello")
    status = 255 if client == "OpenSSH" else None
    assert (outcome.output, outcome.status) == (b"", status)
    assert re.fullmatch(text, outcome.error.strip()), outcome.error
    assert sshecho.wait_for("fault")["fault"] == fault
    sshecho.wait_for("connection.close")
    assert CLIENTS[client](sshecho, "hello") == Outcome(b"hello\n", 0)


def alive(sshecho, *options):
    """Start an ssh that a fault is to strike, and return it once that is so."""
    process = subprocess.Popen(
        sshCommand(sshecho, "hello", options=options),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    sshecho.wait_for("fault")
    return process


def test_hang_of_openssh_without_a_version(sshecho):
    """Ssh waits for a version as long as ConnectTimeout says."""
    with sshecho.misbehave("hang=version"):
        outcome = withOpenSSH(sshecho, "hello", patience=1)
    assert (outcome.output, outcome.status) == (b"", 255)
    assert outcome.error.startswith("Connection timed out during banner exchange")
    sshecho.wait_for("connection.close", why="the client has gone")


@pytest.mark.parametrize("stage", ["kex", "auth", "session"])
def test_hang_of_openssh(sshecho, stage):
    """From the key exchange on ssh waits until it is ended; the server hears it leave."""
    with sshecho.misbehave(f"hang={stage}"), alive(sshecho) as process:
        assert process.poll() is None
        process.kill()
        assert process.communicate() == (b"", b"")
    sshecho.wait_for("connection.close", why="the client has gone")


def test_hang_of_openssh_that_asks(sshecho):
    """In a session, ssh gives up when it asks whether the server is there, and hears nothing."""
    asked = ("-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1")
    with sshecho.misbehave("hang=session"), alive(sshecho, *asked) as process:
        _, error = process.communicate(timeout=PATIENCE)
    assert error == b"Timeout, server 127.0.0.1 not responding.\r\n"
    assert process.returncode == 255


@pytest.mark.parametrize(
    ("fault", "timeout", "text"),
    [
        ("hang=version", "banner_timeout", "SSHException: Error reading SSH protocol banner"),
        ("hang=kex", "timeout", "SSHException: No existing session"),
        ("hang=auth", "auth_timeout", "AuthenticationException: Authentication timeout."),
        ("garbage=auth", "auth_timeout", "AuthenticationException: Authentication timeout."),
    ],
)
def test_patience_of_paramiko(sshecho, fault, timeout, text):
    """Paramiko waits as long as its time-outs say, for a packet that is never whole, too."""
    with sshecho.misbehave(fault):
        assert withParamiko(sshecho, "hello", **{timeout: SHORT}) == Outcome(error=text)
    sshecho.wait_for("connection.close")


@pytest.mark.parametrize("fault", ["hang=session", "garbage=session"])
def test_endless_patience_of_paramiko(sshecho, fault):
    """Paramiko's exec_command waits for its answer whatever its time-out, until it is closed."""
    errors = []
    with sshecho.misbehave(fault), paramikoClient(sshecho) as client:

        def run():
            try:
                client.exec_command("hello", timeout=SHORT)
            except Exception as error:
                errors.append(described(error))

        thread = threading.Thread(target=run)
        thread.start()
        sshecho.wait_for("fault")
        thread.join(2 * SHORT)
        assert thread.is_alive()
        client.close()
        thread.join(PATIENCE)
    assert errors == ["SSHException: Channel closed."]


@pytest.mark.parametrize(
    ("fault", "patience", "text"),
    [
        ("hang=version", "patience", "ConnectionLost: Login timeout expired"),
        ("hang=kex", "patience", "ConnectionLost: Login timeout expired"),
        ("hang=auth", "patience", "ConnectionLost: Login timeout expired"),
        ("hang=session", "forCommand", "TimeoutError"),
        ("garbage=version", "patience", "ConnectionLost: Login timeout expired"),
    ],
)
def test_patience_of_asyncssh(sshecho, fault, patience, text):
    """Its login_timeout ends asyncssh's patience with a login; a session is the caller's to end."""
    with sshecho.misbehave(fault):
        outcome = withAsyncssh(sshecho, "hello", **{patience: SHORT})
    assert outcome == Outcome(error=text)
    sshecho.wait_for("connection.close")


@pytest.mark.parametrize(
    ("client", "status", "error"),
    [
        ("OpenSSH", 255, "Connection to 127.0.0.1 closed by remote host.\r\n"),
        ("Paramiko", -1, ""),
        ("asyncssh", None, ""),
    ],
)
def test_drop_after(sshecho, client, status, error):
    """Each gets all the bytes up to the cut; only ssh says that there should have been more."""
    with sshecho.misbehave("drop-after", 4096):
        outcome = CLIENTS[client](sshecho, LONG)
    assert outcome == Outcome(LONG[:4096].encode(), status, error)
    sshecho.wait_for("connection.close", sent=4096, why="the fault drop-after=4096")


def test_drop_after_while_the_client_sends(sshecho):
    """Who sends on and on gets all that came before the cut, too: no reset overtakes it.

    Not with ssh, which throws away what its own standard output has not taken yet.
    """

    async def run():
        async with asyncsshConnect(sshecho) as connection:
            return await connection.run(input=b"x" * (4 << 20), encoding=None)

    with sshecho.misbehave("drop-after", 100_000):
        assert asyncio.run(run()).stdout == b"x" * 100_000


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("fault", "status"), [("exit=3", 3), ("signal=KILL", None)])
def test_end(sshecho, client, fault, status):
    """A status comes as it is; a signal is 255 to ssh, and -1 or its number's to libraries."""
    if status is None:
        status = {"OpenSSH": 255, "Paramiko": -1, "asyncssh": -9}[client]
    with sshecho.misbehave(fault):
        assert CLIENTS[client](sshecho, "hello") == Outcome(b"hello\n", status)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("size", [32_000, 250_000])
def test_big_banner(sshecho, client, size):
    """Clients take big banners: ssh shows all of it."""
    with sshecho.misbehave("big-banner", size):
        outcome = CLIENTS[client](sshecho, "hello")
    assert (outcome.output, outcome.status) == (b"hello\n", 0)
    assert [event["fault"] for event in sshecho.events if event["event"] == "fault"] == [
        f"big-banner={size}"
    ]
    if client == "OpenSSH":
        assert len(outcome.error.removesuffix("\r\n")) <= size
        assert len(outcome.error) >= size


@pytest.mark.parametrize("client", CLIENTS)
def test_slow(sshecho, client):
    """A slow server is as good as any."""
    with sshecho.misbehave("slow", 0.02):
        assert CLIENTS[client](sshecho, "hello") == Outcome(b"hello\n", 0)


def test_slow_is_too_slow(sshecho):
    """A client whose patience ends before the server has answered gives up."""
    with sshecho.misbehave("slow", 100):
        outcome = withAsyncssh(sshecho, "hello", patience=SHORT)
    assert outcome == Outcome(error="ConnectionLost: Login timeout expired")


@pytest.mark.parametrize("client", ["OpenSSH", "Paramiko"])
def test_deny_once(sshecho, client):
    """Whoever tries once more after one denial gets in."""
    with sshecho.misbehave("deny", 1):
        first, second = (CLIENTS[client](sshecho, "hello") for _ in range(2))
    assert "denied" in first.error or "failed" in first.error
    assert second == Outcome(b"hello\n", 0)
    assert [login.ok for login in sshecho.logins] == [False, True]
    assert sshecho.logins[0].why == "the fault deny=1"


def test_stalled_openssh(sshecho):
    """Ssh sends its first window and waits; when the fault ends it sends the rest."""
    data = bytes(range(256)) * 4096
    with sshecho.misbehave("stall-window"):
        process = subprocess.Popen(
            sshCommand(sshecho),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
        )
        output = []
        thread = threading.Thread(target=lambda: output.append(process.communicate(data)[0]))
        thread.start()
        sshecho.wait_for(lambda server: server.sessions and server.sessions[0].bytes_in == WINDOW)
    thread.join(PATIENCE)
    assert output == [data]
    assert process.returncode == 0


def test_stalled_paramiko(sshecho):
    """Paramiko's sendall ends with its time-out, once the first window is used up."""
    with sshecho.misbehave("stall-window"), paramikoClient(sshecho) as client:
        channel = client.get_transport().open_session()
        channel.invoke_shell()
        channel.settimeout(SHORT)
        with pytest.raises(TimeoutError):
            channel.sendall(b"x" * (WINDOW + 1))
        sshecho.wait_for(lambda server: server.sessions[0].bytes_in == WINDOW)


def test_stalled_asyncssh(sshecho):
    """The drain of asyncssh waits."""

    async def run():
        async with asyncsshConnect(sshecho) as connection:
            process = await connection.create_process(encoding=None)
            process.stdin.write(b"x" * (8 * WINDOW))
            await asyncio.wait_for(process.stdin.drain(), SHORT)

    with sshecho.misbehave("stall-window"), pytest.raises(TimeoutError):
        asyncio.run(run())


def test_for_so_many_connections(sshecho):
    """A fault for one connection is seen in the next one alone, though it stays in force."""
    with sshecho.misbehave("exit", 3, connections=1):
        statuses = [withParamiko(sshecho, "hello").status for _ in range(2)]
    assert statuses == [3, 0]


@pytest.mark.sshecho(users={"bob": "secret"})
def test_for_a_user(sshecho):
    """A fault for a user is seen by nobody else."""
    with sshecho.misbehave("exit", 3, user="bob"):
        assert withParamiko(sshecho, "hello").status == 0
        with paramikoClient(sshecho, "bob", password="secret") as client:
            _, output, _ = client.exec_command("hello")
            assert output.channel.recv_exit_status() == 3


@pytest.mark.sshecho(faults=["exit=3", "big-banner=70"])
def test_from_the_start(sshecho):
    """Faults may be in force from the start, several at once."""
    outcome = withOpenSSH(sshecho, "hello")
    assert (outcome.output, outcome.status) == (b"hello\n", 3)
    assert outcome.error.startswith("All work and no play")


def test_in_an_open_connection(sshecho):
    """A fault that begins strikes connections that are open, and leaves them when it ends."""
    with paramikoClient(sshecho) as client:
        statuses = []
        for fault in ("exit=0", "exit=3", "exit=4"):
            with sshecho.misbehave(fault):
                _, output, _ = client.exec_command("hello")
                statuses.append(output.channel.recv_exit_status())
        _, output, _ = client.exec_command("hello")
        statuses.append(output.channel.recv_exit_status())
    assert statuses == [0, 3, 4, 0]


@pytest.mark.parametrize("client", CLIENTS)
def test_by_user_name(sshecho, client):
    """A client chooses its faults by its user's name, and is known by the plain one."""
    assert CLIENTS[client](sshecho, "hello", user="user+exit=3") == Outcome(b"hello\n", 3)
    assert {login.user for login in sshecho.logins} == {"user"}
    assert sshecho.sessions[0].user == "user"


def test_wrong_choice(sshecho):
    """Ssh shows what is wrong with a fault in the name, and says that whoever it is, is denied."""
    outcome = withOpenSSH(sshecho, "hello", user="user+exit=many")
    shown, denied = outcome.error.splitlines()
    assert shown.startswith("the fault exit=many: exit=STATUS: it is a whole number from 0 to ")
    assert "Permission denied" in denied
    assert outcome.status == 255


@pytest.mark.parametrize(
    ("fault", "arguments", "why"),
    [
        ("exit=many", {}, "exit=STATUS: it is a whole number"),
        ("no", {"argument": 3}, "there is no such fault; there are slow=SECONDS, "),
        ("hang", {"argument": "kex", "user": "bob"}, "hang=kex comes before the user's name"),
        ("exit=3", {"connections": 0}, "connections=0: it is a number from 1"),
    ],
)
def test_no_such_fault(sshecho, fault, arguments, why):
    """What can't be had is refused, and the server goes on as before."""
    with pytest.raises(ValueError, match=re.escape(why)):
        sshecho.misbehave(fault, **arguments)
    assert withParamiko(sshecho, "hello") == Outcome(b"hello\n", 0)


@pytest.mark.parametrize("stage", ["version", "kex", "auth", "session"])
def test_reset_while_it_hangs(sshecho, stage):
    """The next test can begin whatever hangs."""
    with sshecho.misbehave(f"hang={stage}"), alive(sshecho) as process:
        sshecho.reset()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 255
    assert sshecho.events == []


LINE = {
    "drop-at=version": b"",
    "drop-at=auth": b"",
    "drop-at=session": ACCEPTED,
    "drop-after=4096": ACCEPTED + b"x" * 4096,
    "deny=1": b"Login denied, goodbye.\r\n",
    "slow=0.02": ACCEPTED + b"x" * 8000,
    "exit=3": ACCEPTED + b"x" * 8000,
    "hang=version": b"",
    "hang=session": ACCEPTED,
    "garbage=version": GARBAGE,
    "garbage=auth": GARBAGE,
    "garbage": ACCEPTED + GARBAGE,
}


@pytest.mark.parametrize("fault", LINE)
@pytest.mark.parametrize("early", [True, False], ids=["half closed", "open"])
def test_line_door(sshecho, fault, early):
    """At the line door this comes, and then the end, without a reset."""
    login = f"user {sshecho.password}\r\n".encode()
    waits = fault.startswith(("hang", "garbage"))
    with sshecho.misbehave(fault):
        if early or (not waits and not fault.startswith(("slow", "exit"))):
            assert lineOutcome(sshecho, login, LONG.encode(), end=early) == LINE[fault]
        else:
            where = sshecho.host, sshecho.line_port
            with socket.create_connection(where, PATIENCE) as connection:
                connection.sendall(login + LONG.encode())
                received = b""
                while len(received) < len(LINE[fault]):
                    received += connection.recv(1 << 16)
                assert received == LINE[fault]
                connection.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    connection.recv(1)
    sshecho.wait_for("connection.close")

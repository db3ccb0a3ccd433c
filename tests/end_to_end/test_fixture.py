"""The fixtures, as somebody's tests use them: a pytest of its own for each."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pexpect
import pytest
from serving import PATIENCE, environment

from sshecho.testing import ALGORITHMS

pytest_plugins = ["pytester"]

QUICK = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
"""What makes a run of tests a little shorter."""

HELPERS = '''
import os, socket, subprocess, sys, threading
import pytest
import sshecho.testing
from sshecho.testing import ServerError


def ssh(server, *command, options=(), **more):
    """Run ssh as its configuration has it."""
    return subprocess.run(
        ["ssh", "-F", server.ssh_config, *options, "sshecho", *command],
        capture_output=True, timeout=60, **more)


def enter(server, user=None, password=None, key=None):
    """Return a paramiko client that has logged in."""
    import paramiko  # only here, as it takes its time
    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    client.connect(
        server.host, server.port, user or server.user, password=password,
        key_filename=None if password else str(key or server.private_key),
        allow_agent=False, look_for_keys=False)
    return client
'''


@pytest.fixture
def run(pytester, need):
    """Return a function that runs tests, of which a number has to pass."""
    need("ssh")

    def runTests(code: str, *arguments: str, **outcomes: int) -> pytest.RunResult:
        pytester.makepyfile(helpers=HELPERS)
        pytester.makepyfile("from helpers import *\n" + dedent(code))
        result = pytester.runpytest_subprocess(*QUICK, *arguments)
        result.assert_outcomes(**outcomes)
        return result

    return runTests


@pytest.fixture
def begin(pytester, private):
    """Return a function that starts tests, and gives the process and their folder for files."""
    running = []

    def beginTests(code: str) -> tuple[subprocess.Popen, Path]:
        pytester.makepyfile(helpers=HELPERS)
        pytester.makepyfile("from helpers import *\n" + code)
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
            cwd=pytester.path,
            env={**os.environ, "TMPDIR": str(private)},
            stdout=subprocess.DEVNULL,
        )
        running.append(process)
        return process, private

    yield beginTests
    for process in running:
        process.kill()
        process.wait()


def waitUntil(done):
    """Wait until something is true, and return it."""
    until = time.monotonic() + PATIENCE
    while not (found := done()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def isGone(pid: int) -> bool:
    """Return whether a process has ended, be it that nobody has asked for its status yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


def number(path: Path) -> int:
    """Return the number that a file has, once it has one."""
    text = waitUntil(lambda: path.exists() and re.fullmatch(r"(\d+)\n", path.read_text()))
    return int(text[1])


def test_ready(run):
    """The server is there when the test begins: ssh gets its echo, with nothing but the file."""
    run(
        """
        def test_ready(sshecho):
            assert sshecho.sessions == sshecho.connections == sshecho.logins == sshecho.events == []
            assert ssh(sshecho, "hello").stdout == b"hello\\n"
            assert [session.command for session in sshecho.sessions] == ["hello"]
            with socket.create_connection((sshecho.host, sshecho.line_port)) as line:
                line.sendall(f"{sshecho.user} {sshecho.password}\\n".encode())
                assert line.recv(100).startswith(b"Login successful")
        """,
        passed=1,
    )


def test_nothing_of_the_test_before(run):
    """What a test has seen, dictated, ordered and left open is gone when the next one begins."""
    run(
        """
        left = []

        @pytest.mark.sshecho(
            users={"bob": "word"}, banner="Mind the gap", greeting="Hi", max_sessions=1,
            faults=["exit=7"], ciphers=["aes128-ctr"], version="SSH-2.0-old")
        def test_one(sshecho):
            subprocess.run(["ssh-keygen", "-qN", "", "-t", "ed25519", "-f", "key"], check=True)
            with open("key.pub") as public:
                sshecho.authorize(public.read(), user="bob")
            sshecho.respond("uptime", stdout="long")
            sshecho.misbehave("big-banner")
            left.append(enter(sshecho, "bob", key="key"))
            left.append(enter(sshecho, "bob", "word"))
            assert left[0].get_transport().remote_version == "SSH-2.0-old"
            assert ssh(sshecho, "uptime").returncode == 7
            left.extend(socket.create_connection((sshecho.host, sshecho.port)) for _ in range(20))
            left.append((sshecho.port, sshecho.password, sshecho._process.pid))

        def test_two(sshecho):
            assert left[-1] == (sshecho.port, sshecho.password, sshecho._process.pid)
            assert not (sshecho.events or sshecho.sessions or sshecho.connections or sshecho.log)
            for client in left[:2]:
                client.get_transport().join(60)
                assert not client.get_transport().is_active()
            done = ssh(sshecho, "uptime")
            assert (done.stdout, done.stderr, done.returncode) == (b"uptime\\n", b"", 0)
            for credential in ({"password": "word"}, {"key": "key"}):
                with pytest.raises(Exception, match="Authentication failed"):
                    enter(sshecho, "bob", **credential)
            [client] = {one.client_version.split("_")[0] for one in sshecho.connections} - {
                "SSH-2.0-OpenSSH"}
            assert client == "SSH-2.0-paramiko"
            assert len(sshecho.connections) == 3
            assert [login.user for login in sshecho.logins if login.ok] == ["user"]
        """,
        passed=2,
    )


def test_marks(run):
    """Options stand on a module, a class and a test: all count, and the nearest one most.

    One that can't be had is an error that says what there is, and the next test goes on.
    """
    result = run(
        """
        pytestmark = pytest.mark.sshecho(banner="module", users={"bob": "word"})

        def banner(server):
            with enter(server, "bob", "word") as client:
                return client.get_transport().get_banner()

        def test_module(sshecho):
            assert banner(sshecho) == b"module"

        @pytest.mark.sshecho(banner="class")
        class TestClass:
            def test_class(self, sshecho):
                assert banner(sshecho) == b"class"

            @pytest.mark.sshecho(banner="test")
            def test_test(self, sshecho):
                assert banner(sshecho) == b"test"

        @pytest.mark.sshecho(baner="typo")
        def test_name(sshecho): ...

        @pytest.mark.sshecho("banner")
        def test_no_name(sshecho): ...

        def test_module_again(sshecho):
            assert banner(sshecho) == b"module"
        """,
        "--strict-markers",
        passed=4,
        errors=2,
    )
    result.stdout.fnmatch_lines(
        ["*ValueError: baner: there is no such option; there are auth_methods, authorized_keys, *"]
    )
    result.stdout.fnmatch_lines(["*the mark sshecho takes options by name, and not ('banner',)"])


def test_factory(run):
    """A factory makes servers of their own, each with its options, and they end with the test."""
    run(
        """
        left = []

        def test_many(sshecho_factory, sshecho):
            one, two = sshecho_factory(user="one", banner="One"), sshecho_factory(password="p w")
            assert enter(one).get_transport().get_banner() == b"One"
            assert enter(two, password="p w").get_transport().get_banner() is None
            assert [login.user for login in one.logins + two.logins] == ["one", "user"]
            assert not sshecho.logins
            assert len({each._process.pid for each in (one, two, sshecho)}) == 3
            assert len({each.port for each in (one, two, sshecho)}) == 3
            assert len({each.private_key.read_text() for each in (one, two, sshecho)}) == 3
            left.extend([one, two])

        def test_ended(sshecho):
            assert not any(each.running for each in left)
            for each in left:
                with pytest.raises(OSError):
                    socket.create_connection((each.host, each.port))
        """,
        passed=2,
    )


def test_matrix(run):
    """The matrix runs a test once for each algorithm of a kind, with no other to agree on."""
    result = run(
        """
        every = "-oCiphers=" + ",".join(sshecho.testing.ALGORITHMS["ciphers"])

        @pytest.mark.sshecho(banner="still there")
        @sshecho.testing.matrix("ciphers", "compression")
        def test_it(sshecho, request):
            kind, _, name = request.node.callspec.id.partition("-")
            compression = "yes" if name.startswith("zlib") else "no"
            done = ssh(sshecho, "hello", options=[every, f"-oCompression={compression}"])
            assert done.stdout == b"hello\\n", done.stderr
            assert b"still there" in done.stderr
            agreed = sshecho.connections[0].algorithms[kind.removesuffix("s")]
            assert agreed == {"in": name, "out": name}
        """,
        "-v",
        passed=len(ALGORITHMS["ciphers"]) + len(ALGORITHMS["compression"]),
    )
    for name in ALGORITHMS["ciphers"]:
        assert f"::test_it[ciphers-{name}] PASSED" in result.stdout.str()


def test_matrix_of_what_is_lacking(run):
    """A run for what the server's cryptography lacks is skipped, and no other one."""
    result = run(
        """
        @pytest.fixture(autouse=True)
        def lacks(monkeypatch):
            lacking = property(lambda self: frozenset({"ecdh-sha2-nistp256"}))
            monkeypatch.setattr(sshecho.testing.Server, "lacking", lacking)

        @sshecho.testing.matrix("kex")
        def test_matrix(sshecho): ...

        def test_alone(sshecho): ...
        """,
        "-rs",
        skipped=1,
        passed=len(ALGORITHMS["kex"]),
    )
    result.stdout.fnmatch_lines(["*cryptography has no ecdh-sha2-nistp256 here*"])


def test_xdist(run):
    """Each process of tests has a server of its own."""
    code = "".join(
        f"\ndef test_{n}(sshecho):\n"
        "    assert ssh(sshecho, 'hello').stdout == b'hello\\n'\n"
        "    assert len(sshecho.sessions) == 1\n"
        for n in range(6)
    )
    run(code, "-n", "2", passed=6)


def test_event_loops_and_threads(run):
    """It works beside asyncio, Trio, Twisted's reactor in the test's process, and many threads."""
    run(
        """
        def test_asyncio(sshecho):
            import asyncio
            import asyncssh

            async def main():
                async with asyncssh.connect(
                    sshecho.host, sshecho.port, username=sshecho.user, config=None,
                    client_keys=[str(sshecho.private_key)], known_hosts=str(sshecho.known_hosts),
                ) as connection:
                    assert (await connection.run("hello")).stdout == "hello\\n"
                    assert sshecho.sessions[0].command == "hello"
                    waiting = asyncio.create_task(asyncio.to_thread(sshecho.wait_for, "logout"))
                    await asyncio.sleep(0)
                    assert not waiting.done()
                await waiting
            asyncio.run(main())

        def test_trio(sshecho):
            import trio

            async def main():
                stream = await trio.open_tcp_stream(sshecho.host, sshecho.line_port)
                await stream.send_all(f"{sshecho.user} {sshecho.password}\\nhello".encode())
                await stream.send_eof()
                assert b"".join([part async for part in stream]).endswith(b"proceed.\\r\\nhello")
                assert sshecho.sessions[0].input == b"hello"
                await trio.to_thread.run_sync(sshecho.wait_for, "logout")
            trio.run(main)

        @pytest.mark.sshecho(macs=["hmac-sha2-256"])
        def test_twisted(sshecho):
            from twisted.conch.client.knownhosts import KnownHostsFile
            from twisted.conch.endpoints import SSHCommandClientEndpoint
            from twisted.conch.ssh.keys import Key
            from twisted.internet import reactor
            from twisted.internet.defer import Deferred
            from twisted.internet.protocol import Factory, Protocol
            from twisted.python.filepath import FilePath

            got, problems = [], []

            class Collect(Protocol):
                def dataReceived(self, data):
                    got.append(data)

                def connectionLost(self, reason):
                    reactor.stop()

            endpoint = SSHCommandClientEndpoint.newConnection(
                reactor, b"hello", sshecho.user.encode(), sshecho.host, sshecho.port,
                keys=[Key.fromFile(str(sshecho.private_key))], agentEndpoint=None,
                knownHosts=KnownHostsFile.fromPath(FilePath(str(sshecho.known_hosts))))
            connecting = endpoint.connect(Factory.forProtocol(Collect))
            connecting.addErrback(lambda reason: (problems.append(reason), reactor.stop()))
            reactor.callLater(60, reactor.stop)
            reactor.run()
            assert (b"".join(got), problems) == (b"hello\\n", [])
            assert sshecho.sessions[0].exit_status == 0

        def test_threads(sshecho):
            sshecho.respond("twice", lambda session: session.command * 2)
            failures = []

            def work(number):
                try:
                    with enter(sshecho) as client:
                        _, out, _ = client.exec_command(f"number {number}")
                        assert out.read() == f"number {number}\\n".encode()
                        assert f"number {number}" in [each.command for each in sshecho.sessions]
                        _, out, _ = client.exec_command("twice")
                        assert out.read() == b"twicetwice"
                        sshecho.wait_for("session.close", command=f"number {number}")
                except BaseException as error:
                    failures.append(error)

            threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
            for each in threads:
                each.start()
            for each in threads:
                each.join(60)
            assert failures == []
            assert len(sshecho.sessions) == 40
        """,
        passed=4,
    )


def test_imports(pytester):
    """Neither pytest's start nor the fixture imports Twisted or cryptography to the tests."""
    pytester.makepyfile(
        """
        import socket
        import sys

        HEAVY = {"twisted", "cryptography", "zope", "bcrypt"}

        def test_it(sshecho, sshecho_factory):
            assert sshecho_factory().running
            sshecho.respond("x", lambda session: "y")
            with sshecho.misbehave("slow=0.01"):
                with socket.create_connection((sshecho.host, sshecho.line_port)) as line:
                    line.sendall(b"user word\\n")
                    sshecho.wait_for("login.denied")
            assert sorted(HEAVY.intersection(sys.modules)) == []
        """
    )
    result = pytester.runpytest_subprocess(*QUICK)
    result.assert_outcomes(passed=1)


def test_modules_beside_the_tests(pytester):
    """Files beside the tests that are called like Python's own modules do no harm."""
    for name in ("random", "queue", "json", "select", "signal", "twisted", "zope"):
        pytester.makepyfile(**{name: "raise ImportError('not for you')"})
    (pytester.path / "sshecho").mkdir()
    pytester.makepyfile("def test_it(sshecho):\n    assert sshecho.running")
    done = subprocess.run(
        [Path(sys.executable).with_name("pytest"), "-q"],  # python -m would look into this folder
        cwd=pytester.path,
        env=environment(),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert b"1 passed" in done.stdout, done


def test_report(run):
    """Beside a test that failed stands what its servers said, and beside others nothing."""
    result = run(
        """
        def test_fails(sshecho, sshecho_factory):
            other = sshecho_factory(user="other")
            enter(sshecho), enter(other)
            assert False

        def test_fails_alone():
            assert False

        def test_fails_in_silence(sshecho):
            assert False

        @pytest.fixture
        def broken(sshecho):
            ssh(sshecho, "setup")
            raise OSError

        def test_setup(broken): ...

        def test_good(sshecho):
            ssh(sshecho, "good")
        """,
        failed=3,
        passed=1,
        errors=1,
    )
    text = result.stdout.str()
    shown = re.findall(r"^-+ (sshecho.*?), port \d+ -+\n((?:\d\d:.*\n)*)", text, re.MULTILINE)
    assert [title for title, _ in shown] == ["sshecho", "sshecho 1 of 2", "sshecho 2 of 2"]
    assert "'user' began the command setup" in shown[0][1]
    logs = "".join(log for _, log in shown[1:])
    assert "'user' logged in by publickey from" in logs
    assert "'other' logged in by publickey from" in logs
    assert "command good" not in text


def test_after_its_death(run):
    """A test whose server is killed is told how, and the next test has another server."""
    run(
        """
        import signal

        def test_killed(sshecho):
            os.kill(sshecho._process.pid, signal.SIGKILL)
            folder = sshecho.ssh_config.parent
            with pytest.raises(ServerError, match=r"is gone \\(killed by SIGKILL\\)"):
                sshecho.wait_for("logout", timeout=60)
            killed.append(folder)

        killed = []

        def test_next(sshecho):
            assert ssh(sshecho, "hello").stdout == b"hello\\n"
            assert not killed[0].exists()
        """,
        passed=2,
    )


ENDS = {
    "SIGKILL": lambda process: process.send_signal(signal.SIGKILL),
    "SIGTERM": lambda process: process.send_signal(signal.SIGTERM),
    "SIGINT": lambda process: process.send_signal(signal.SIGINT),
    "exit": lambda process: None,
    "crash": lambda process: None,
}


@pytest.mark.parametrize("how", ENDS)
def test_nothing_is_left(begin, how):
    """However the tests end, while the server starts too, no process of it is left, and no file."""
    process, folder = begin(
        f"""
def tell(server):
    with open(os.environ["TMPDIR"] + "/pid", "w") as file:
        print(server._process.pid, file=file)

def crash(server):
    tell(server)
    os._exit(3)

if {how == "crash"}:
    sshecho.testing.Server._open = crash

def test_it(sshecho):
    enter(sshecho)
    tell(sshecho)
    if {how == "exit"}:
        os._exit(3)
    threading.Event().wait(60)
"""
    )
    pid = number(folder / "pid")
    ENDS[how](process)
    process.wait(PATIENCE)
    waitUntil(lambda: isGone(pid))
    assert not list(folder.glob("sshecho-*"))


def test_a_fork_that_outlives_the_tests(begin):
    """A fork that goes on when the tests are killed keeps no server alive."""
    process, folder = begin(
        """
def test_it(sshecho):
    fork = os.fork()
    if fork == 0:
        threading.Event().wait(60)
        os._exit(0)
    for name, pid in (("fork", fork), ("pid", sshecho._process.pid)):
        with open(os.environ["TMPDIR"] + f"/{name}", "w") as file:
            print(pid, file=file)
    threading.Event().wait(60)
"""
    )
    pid, fork = number(folder / "pid"), number(folder / "fork")
    try:
        process.kill()
        process.wait(PATIENCE)
        waitUntil(lambda: isGone(pid))
        assert not isGone(fork)
        assert not list(folder.glob("sshecho-*"))
    finally:
        os.kill(fork, signal.SIGKILL)


def test_a_fork_that_ends(run):
    """A fork can't ask the server, and when it ends the server goes on."""
    run(
        """
        import atexit

        def test_it(sshecho):
            fork = os.fork()
            if fork == 0:
                try:
                    sshecho.sessions
                except ServerError:
                    sshecho.close()
                    atexit._run_exitfuncs()
                    os._exit(7)
                os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 7
            assert ssh(sshecho, "hello").stdout == b"hello\\n"
            assert len(sshecho.sessions) == 1
        """,
        passed=1,
    )


def test_interrupt_at_the_terminal(pytester):
    """A ^C at the terminal reaches the tests and not the server."""
    pytester.makepyfile(helpers=HELPERS)
    pytester.makepyfile(
        """
        from helpers import *

        def test_it(sshecho, capfd):
            with pytest.raises(KeyboardInterrupt):
                with capfd.disabled():
                    print("now", flush=True)
                    threading.Event().wait(60)
            assert ssh(sshecho, "hello").stdout == b"hello\\n"
        """
    )
    tests = pexpect.spawn(
        sys.executable, ["-m", "pytest"], cwd=str(pytester.path), timeout=PATIENCE
    )
    tests.expect_exact("now")
    tests.sendintr()
    tests.expect_exact("1 passed")
    tests.expect(pexpect.EOF)


def test_an_awkward_folder_for_files(run, private, monkeypatch):
    """TMPDIR may have spaces, quotes and percent signs in its name, and be anybody's."""
    folder = private / """it's "a" 100% folder"""
    folder.mkdir()
    folder.chmod(0o777)  # and not sticky
    monkeypatch.setenv("TMPDIR", str(folder))
    run(
        f"""
        def test_it(sshecho):
            assert str(sshecho.private_key).startswith({str(folder)!r})
            assert ssh(sshecho, "hello").stdout == b"hello\\n"
            assert sshecho.logins[-1].method == "publickey"
        """,
        passed=1,
    )
    assert not list(folder.glob("sshecho-*"))
    shutil.rmtree(folder)


def test_callables_that_fail(run):
    """What a function of `respond` raises is an error of its test, though the client went on."""
    result = run(
        """
        def check(session):
            assert session.env == {"LANG": "C"}

        def test_fixture(sshecho):
            sshecho.respond("hello", check)
            ssh(sshecho, "hello")

        def test_factory(sshecho_factory):
            server = sshecho_factory()
            server.respond("hello", check)
            ssh(server, "hello")

        def test_next(sshecho):
            assert ssh(sshecho, "hello").stdout == b"hello\\n"
        """,
        passed=3,
        errors=2,
    )
    result.stdout.fnmatch_lines(["E       AssertionError: assert {} == {'LANG': 'C'}"] * 2)


def test_clients_that_stay(run):
    """A client that a test has left open is cut off before the next test begins."""
    run(
        """
        left = []

        def test_it(sshecho):
            left.append(socket.create_connection((sshecho.host, sshecho.line_port)))
            sshecho.wait_for("connection.open")

        @pytest.fixture
        def meanwhile():
            left[0].settimeout(60)
            with pytest.raises(ConnectionResetError):
                left[0].recv(1)

        def test_next(meanwhile, sshecho):
            assert not sshecho.connections
        """,
        passed=2,
    )


def test_the_log_of_any_server(run):
    """A test that fails shows the log of a server, whoever has started that."""
    result = run(
        """
        @pytest.fixture(scope="module")
        def mine():
            with sshecho.testing.Server() as server:
                yield server

        def test_it(mine):
            ssh(mine, "hello")
            assert False
        """,
        failed=1,
    )
    result.stdout.fnmatch_lines(["*- sshecho, port *", "* ssh: 'user' began the command hello"])


def test_marks_for_the_factory(run):
    """Options of a mark are those of the servers that a test has made, too, unless they say."""
    run(
        """
        @pytest.mark.sshecho(version="SSH-2.0-old", banner="hi")
        def test_it(sshecho_factory):
            server = sshecho_factory(banner="")
            assert server.options == {"version": "SSH-2.0-old", "banner": ""}
        """,
        passed=1,
    )


def test_killed_at_the_end(run):
    """A server that its test kills, and does not wait for, is replaced before the next test."""
    run(
        """
        import signal

        @pytest.mark.parametrize("number", range(4))
        def test_it(sshecho, number):
            assert ssh(sshecho, "hello").stdout == b"hello\\n"
            os.kill(sshecho._process.pid, signal.SIGKILL)
        """,
        passed=4,
    )

"""The SSH door, with Debian's ssh."""

import random
import subprocess
import threading
import time

import pexpect
import pytest
from benchmarks.processes import resident

from sshecho.ssh.terminal import GREETING

DENIED = b"localhost: Permission denied (password,keyboard-interactive).\r\n"


def test_exec(server, runSSH):
    """`ssh host hello world` prints it."""
    done = runSSH(server, "hello", "world")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello world\n", b"")


def test_exec_discards_its_input(server, runSSH):
    """What is piped into a command is no part of its output."""
    done = runSSH(server, "hello", input=b"x" * 100_000)
    assert (done.returncode, done.stdout) == (0, b"hello\n")


@pytest.mark.parametrize("options", [[], ["-o", "RekeyLimit=1M"]], ids=["plain", "rekeying"])
def test_bytes_come_back(server, runSSH, options):
    """8 MiB of noise through `ssh -T` come back identical, with exit status 0."""
    noise = random.Random(1).randbytes(8 << 20)
    done = runSSH(server, options=["-T", *options], input=noise)
    assert done.returncode == 0
    assert done.stdout == noise
    assert done.stderr == b""


def test_new_keys_of_the_servers_own(serve, runSSH):
    """Bytes come back identical through a server that changes its keys every 256 KiB."""
    noise = random.Random(3).randbytes(4 << 20)
    with serve("--line", "off", "--rekey-limit", "256K") as server:
        done = runSSH(server, options=["-T", "-v"], input=noise)
    assert (done.returncode, done.stdout) == (0, noise)
    assert done.stderr.count(b"SSH2_MSG_NEWKEYS received") > 8


def test_a_slow_reader(server, ssh):
    """A client that reads late gets all of its bytes; meanwhile the server holds few of them."""
    command, env = ssh(server, options=["-T"])
    noise = random.Random(2).randbytes(16 << 20)
    before = resident(server.process.pid)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
    ) as client:
        sent = []

        def send():
            client.stdin.write(noise)
            client.stdin.close()
            sent.append(True)

        sender = threading.Thread(target=send)
        sender.start()
        sender.join(2)
        assert not sent, "the noise went somewhere, though nobody read it"
        assert resident(server.process.pid) - before < 4 << 20
        assert client.stdout.read() == noise
        sender.join()
    assert client.returncode == 0


def test_eof_without_data(server, runSSH):
    """A session that sends nothing ends with status 0 and without a byte."""
    done = runSSH(server, options=["-T"])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("user", "password"),
    [("user", "wrong"), ("nobody", "pass"), ("root", ""), ("", "pass"), ("\u00fcser", "pass")],
)
def test_denied(server, runSSH, user, password):
    """Whoever does not get in is told one and the same thing."""
    done = runSSH(server, "x", user=user, password=password)
    assert done.returncode == 255
    assert done.stdout == b""
    assert done.stderr.partition(b"@")[2] == DENIED


@pytest.fixture(scope="module")
def userKeys(need, tmp_path_factory):
    """Keys of each type, made by ssh-keygen."""
    folder = tmp_path_factory.mktemp("keys")
    for kind in ("ed25519", "ecdsa", "rsa"):
        command = [need("ssh-keygen"), "-q", "-t", kind, "-N", "", "-f", folder / kind]
        subprocess.run(command, check=True)
    return folder


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys(serve, runSSH, write, userKeys, kind):
    """A user's key of each type is a login, for its user; another key is not."""
    path = write("authorized", (userKeys / f"{kind}.pub").read_bytes())
    with serve("--auth", f"keys:alice={path}") as server:
        assert runSSH(server, "hi", user="alice", key=userKeys / kind).stdout == b"hi\n"
        other = userKeys / ("rsa" if kind != "rsa" else "ed25519")
        for user, key in [("bob", userKeys / kind), ("alice", other)]:
            done = runSSH(server, "hi", user=user, key=key, options=["-o", "BatchMode=yes"])
            assert done.returncode == 255
            assert done.stderr.endswith(b"Permission denied (publickey).\r\n")


def test_options_of_keys(serve, ssh, runSSH, write, private, userKeys):
    """The options of a key's line are followed, and one that is not known closes the line."""
    (private / "users").mkdir(mode=0o700)
    public = (userKeys / "ed25519.pub").read_text()
    for user, options in {
        "forced": 'command="say \\"this\\""',
        "bare": "restrict",
        "near": 'from="127.0.0.0/8,::1"',
        "far": 'from="198.51.100.0/24"',
        "young": 'expiry-time="29991231"',
        "old": 'expiry-time="20200101"',
        "odd": "sandbox",
    }.items():
        write(f"users/{user}", f"{options} {public}")
    with serve("--auth", f"keys:{private}/users", "--line", "off") as server:

        def run(user, *arguments, **more):
            return runSSH(server, *arguments, user=user, key=userKeys / "ed25519", **more)

        assert run("forced", "asked").stdout == b'say "this"\n'
        assert run("forced").stdout == b'say "this"\n'
        assert run("near", "asked").stdout == b"asked\n"
        assert run("young", "asked").stdout == b"asked\n"
        terminal = run("bare", "asked", options=["-tt", "-o", "LogLevel=INFO"])
        assert run("bare", "asked").stdout == b"asked\n"
        assert b"PTY allocation request failed" in terminal.stderr
        for user in ("far", "old", "odd", "odd"):
            assert run(user, "asked").returncode == 255, user
    said = [line for line in server.lines if "is left out" in line]
    assert len(said) == 1
    assert "users/odd: line 1 is left out: the option sandbox is not known here" in said[0]
    for user, why in (("far", "the key is not for this address"), ("old", "the key has expired")):
        assert [x for x in server.lines if f"'{user}' denied by publickey" in x and x.endswith(why)]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_host_keys(need, private, serve, runSSH, kind):
    """Each type of host key that ssh-keygen makes is one that ssh accepts of us."""
    (private / "keys").mkdir(mode=0o700)
    path = private / "keys" / f"ssh_host_{kind}_key"
    subprocess.run([need("ssh-keygen"), "-q", "-t", kind, "-N", "", "-f", path], check=True)
    with serve() as server:
        assert runSSH(server, "hi").stdout == b"hi\n"


def test_anonymous(serve, runSSH):
    """`ssh anonymous@host` gets in with nothing, where that is wanted, and nobody else does."""
    with serve("--auth", "anonymous") as server:
        none = ["-o", "PreferredAuthentications=none"]
        assert runSSH(server, "hi", user="anonymous", options=none).stdout == b"hi\n"
        assert runSSH(server, "hi", user="root", options=none).returncode == 255


def test_chain(serve, runSSH, write):
    """With several checkers, whom any of them knows gets in."""
    path = write("users", "alice:one:two\r\nb\u00f6b:\u00fcber wald\n")
    with serve("--auth", "memory:user:pass", "--auth", f"file:{path}") as server:
        for user, password in [
            ("user", "pass"),
            ("alice", "one:two"),
            ("b\u00f6b", "\u00fcber wald"),
        ]:
            done = runSSH(server, "hi", user=user, password=password)
            assert (done.stdout, done.stderr) == (b"hi\n", b"")
        assert runSSH(server, "hi", user="alice", password="pass").returncode == 255


def test_terminal(server, ssh):
    """A person at a terminal is greeted and prompted, edits a line, and leaves with ^D."""
    command, env = ssh(server)
    child = pexpect.spawn(command[0], command[1:], env=env, timeout=30, dimensions=(24, 80))
    child.expect_exact(GREETING.replace(b"\n", b"\r\n"))
    child.expect_exact(b"> ")
    child.send("helo\x1b[D" + "l" + "\r")
    child.expect_exact(b"hello\r\n")
    child.send("gr\u00fc\u00dfe\r")
    child.expect_exact("\r\ngr\u00fc\u00dfe\r\n".encode())
    child.send(b"\x04")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_terminal_and_exec(server, runSSH):
    """With a forced terminal a command's line ends as a terminal's do."""
    done = runSSH(server, "hello", options=["-tt"])
    assert (done.returncode, done.stdout) == (0, b"hello\r\n")


def test_behind_tls(need, serve, runSSH, certificate):
    """The SSH door can be at any endpoint, one that speaks TLS first among them."""
    endpoint = f"ssl:0:privateKey={certificate}:interface=127.0.0.1"
    with serve("--ssh", endpoint, "--line", "off") as server:
        proxy = f"{need('openssl')} s_client -quiet -verify_quiet -connect 127.0.0.1:%p"
        done = runSSH(server, options=["-T", "-o", f"ProxyCommand={proxy}"], input=b"x" * 1_000_000)
        assert done.stdout == b"x" * 1_000_000


def test_several_sessions_on_one_connection(server, ssh, private):
    """Sessions over a shared connection come and go, and the connection stays."""
    control = ["-o", f"ControlPath={private}/control"]
    master, env = ssh(server, options=[*control, "-M", "-N"])
    before = len(server.lines)
    with subprocess.Popen(master, env=env) as process:
        check, _ = ssh(server, options=[*control, "-O", "check"])
        for _ in range(600):
            if subprocess.run(check, env=env, capture_output=True).returncode == 0:
                break
            time.sleep(0.05)
        for _ in range(3):
            one, _ = ssh(server, "hi", options=control)
            assert subprocess.run(one, env=env, capture_output=True).stdout == b"hi\n"
        process.terminate()
    assert len([line for line in server.lines[before:] if "logged in" in line]) == 1


@pytest.mark.parametrize(
    ("options", "arguments", "said"),
    [
        (["-s"], ["sftp"], b"subsystem request failed"),
        (["-W", "localhost:1"], [], b"administratively prohibited: only sessions are served"),
        (["-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:1"], ["hi"], b"forwarding failed"),
    ],
)
def test_refused(server, runSSH, options, arguments, said):
    """What is not served is refused in words that ssh shows."""
    done = runSSH(server, *arguments, options=[*options, "-o", "LogLevel=INFO"])
    assert done.returncode == 255
    assert said in done.stderr

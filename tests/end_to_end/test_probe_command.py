"""`sshecho probe` against real servers."""

import contextlib
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pexpect
import pytest
from helpers import eventually

PATIENCE = 60
COMMAND = [sys.executable, "-m", "sshecho", "probe"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(private):
    """A home folder with nothing in it."""
    folder = private / "home"
    folder.mkdir(mode=0o700)
    return folder


def environment(home, password=None):
    kept = {k: v for k, v in os.environ.items() if k != "SSHECHO_PASSWORD"}
    given = {} if password is None else {"SSHECHO_PASSWORD": password}
    return {**kept, "HOME": str(home), **given}


@pytest.fixture
def probe(home):
    """Return a function that runs a probe; it has no terminal."""

    def run(*arguments, password="pass"):
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=ROOT,
            env=environment(home, password),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            start_new_session=True,
        )

    return run


def failed(done, why, code=1):
    """Assert that a probe failed with one line, and nothing else."""
    assert done.returncode == code
    assert done.stdout == ""
    assert why in done.stderr
    assert done.stderr.startswith("sshecho probe: ")
    assert done.stderr.count("\n") == 1
    return True


def ssh(server, user="user", host="127.0.0.1"):
    return f"{user}@{host}:{server.ssh_port}"


def line(server, user="user", host="127.0.0.1"):
    return f"line://{user}@{host}:{server.line_port}"


@contextlib.contextmanager
def listening(talk):
    """A server of one thread that hands each connection to a function; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    talk(listener.accept()[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)


def test_echo(probe, server):
    """Each door's echo comes back, and what was found is said."""
    done = probe("--known-hosts", server.known_hosts, ssh(server, host="localhost"))
    assert (done.returncode, done.stderr) == (0, "")
    rows = dict(row.split(maxsplit=1) for row in done.stdout.splitlines())
    assert rows["server"].startswith("SSH-2.0-sshecho_")
    assert "host key" not in rows
    assert rows["host"].endswith("(ED25519), known")
    assert {"tcp", "version", "kex", "auth", "echo", "total"} < rows.keys()
    done = probe(line(server))
    assert (done.returncode, done.stderr) == (0, "")
    assert "login by  password" in done.stdout


def test_json(probe, server):
    """--json prints one object, and the same keys and the line when it fails."""
    done = probe("--json", ssh(server))
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr, found["ok"]) == (0, "", True)
    assert found["host_key"]["trust"] == "loopback"
    assert all(0 < took < PATIENCE for took in found["steps"].values())
    done = probe("--json", line(server), password="wrong")
    lost = json.loads(done.stdout)
    assert done.returncode == 1
    assert (lost["ok"], lost["step"], lost["error"]) == (False, "auth", "denied")
    assert done.stderr.endswith(": denied\n")
    assert lost.keys() == found.keys()
    done = probe("--json", "--password-file", "/nonexistent", ssh(server))
    assert (done.returncode, json.loads(done.stdout)["step"]) == (1, None)


def test_denied(probe, server):
    """A wrong password is denied at either door, in one line."""
    assert failed(probe(ssh(server), password="wrong"), "denied by password")
    assert failed(probe(line(server), password="wrong"), ": denied")


def test_password_file(probe, server, write):
    """The password may come from a file, rather than from the environment."""
    path = write("password", "pass\n")
    for target in (ssh(server), line(server)):
        assert probe("--password-file", path, target, password="wrong").returncode == 0
    path.chmod(0o644)
    assert failed(probe("--password-file", path, ssh(server)), "0644 are too open")


def test_no_terminal(probe, server):
    """Without a password and a terminal it is said what to give."""
    for target in (ssh(server), line(server)):
        assert failed(probe(target, password=None), "no terminal to ask for it: give -i KEY")


def test_keys(probe, serve, need, write, private, home):
    """Keys of ssh-keygen get in, a locked one with its passphrase, which is asked for once."""
    public = []
    for kind, form, passphrase in [
        ("ed25519", [], ""),
        ("rsa", ["-m", "PEM"], ""),
        ("ecdsa", [], "open sesame"),
    ]:
        subprocess.run(
            [need("ssh-keygen"), "-q", "-t", kind, *form, "-N", passphrase, "-f", private / kind],
            check=True,
        )
        public.append((private / f"{kind}.pub").read_bytes())
    path = write("authorized", b"".join(public))
    with serve("--auth", f"keys:user={path}") as server:
        for kind in ("ed25519", "rsa"):
            done = probe("--json", "-i", private / kind, ssh(server), password=None)
            assert json.loads(done.stdout)["auth_method"] == "publickey", done
        done = probe("-i", private / "ecdsa", ssh(server))
        assert failed(done, "locked by a passphrase, and no terminal")
        for typed, code in (("open sesame", 0), ("shut", 1)):
            child = terminal(home, "-i", private / "ecdsa", "--wait", "20", ssh(server))
            child.expect_exact(f"Passphrase for {private}/ecdsa: ")
            child.sendline(typed)
            assert ended(child) == code
            assert typed not in child.before
            assert "Traceback" not in child.before
        assert "the passphrase is wrong" in child.before
        assert failed(probe(ssh(server)), "denied: the server takes publickey only")


def terminal(home, *arguments):
    return pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], *map(str, arguments)],
        cwd=ROOT,
        env=environment(home),
        timeout=PATIENCE,
        encoding="utf-8",
    )


def ended(child):
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


@pytest.mark.parametrize("where", [ssh, line])
def test_prompt(server, home, where):
    """At a terminal the password is asked for, and not shown."""
    target = where(server)
    child = terminal(home, target)
    child.expect_exact(f"{target.removeprefix('line://')}'s password: ")
    child.sendline("pass")
    assert ended(child) == 0
    assert "total" in child.before
    assert "pass\r\n" not in child.before.replace("password", "")


def test_prompt_left(server, home):
    """Ctrl-C at the prompt ends it with 130, Ctrl-D with a line; neither with a traceback."""
    for typed, code, said in (("\x03", 130, ""), ("\x04", 1, "nothing was typed")):
        child = terminal(home, ssh(server))
        child.expect_exact("password: ")
        child.send(typed)
        assert ended(child) == code
        assert said in child.before
        assert "Traceback" not in child.before


def test_asked_once(server, home):
    """With --wait the password is asked for once, however often it is tried."""
    child = terminal(home, "--wait", "5", ssh(server))
    child.expect_exact("password: ")
    child.sendline("wrong")
    assert ended(child) == 1
    assert "password: " not in child.before
    assert "denied by password" in child.before


def test_wait(serve, probe, private):
    """With --wait it may start before the server, and succeeds once that is up."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    waiting = {}
    target = f"user@127.0.0.1:{port}"
    assert failed(probe("--wait", "3", target), "unreachable: Connection refused")
    thread = threading.Thread(
        target=lambda: waiting.update(done=probe("--json", "--wait", PATIENCE, target))
    )
    thread.start()
    time.sleep(1)  # long enough for an attempt in vain; and if not, the test still holds
    with serve("--ssh", f"tcp:{port}:interface=127.0.0.1"):
        thread.join(PATIENCE)
        found = json.loads(waiting["done"].stdout)
    assert (waiting["done"].returncode, found["ok"]) == (0, True)


def test_host_keys(probe, server, need, private, home):
    """A host that is known by another key is refused, and one that is pinned is not."""
    subprocess.run(
        [need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", private / "other"], check=True
    )
    folder = home / ".ssh"
    folder.mkdir(mode=0o700)
    other = (private / "other.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{server.ssh_port} {other}")
    before = (folder / "known_hosts").read_bytes()
    done = probe("--wait", PATIENCE, ssh(server))
    assert failed(done, "is not the one known for this host")
    assert f"{home}/.ssh/known_hosts:1" in done.stderr
    fingerprint = done.stderr[done.stderr.index("SHA256:") :].split()[0]
    done = probe("--json", "--host-key", fingerprint, ssh(server))
    assert json.loads(done.stdout)["host_key"] == {
        "type": "ED25519",
        "fingerprint": fingerprint,
        "trust": "pinned",
    }
    done = probe("--host-key", "SHA256:" + "A" * 43, ssh(server, host="localhost"))
    assert failed(done, f"host key {fingerprint} is not the one of --host-key")
    assert (folder / "known_hosts").read_bytes() == before
    assert failed(probe("--known-hosts", private / "none", ssh(server)), "No such file")
    (folder / "known_hosts").write_text(f"@revoked * {' '.join(other.split()[:2])}x\n")
    assert failed(probe(ssh(server)), "known_hosts: line 1: the key that it revokes can't be read")
    (folder / "known_hosts").unlink()
    (folder / "known_hosts").mkdir()
    assert failed(probe(ssh(server)), "known_hosts: Is a directory")


def test_closed_port(probe):
    """Where nothing listens, it is unreachable."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for target in (f"a@127.0.0.1:{port}", f"line://a@127.0.0.1:{port}"):
        assert failed(probe(target), "unreachable: Connection refused")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "no SSH version came within 2 s"),
        (b"SSH-2.0-x\r\n", "the key exchange did not end within 2 s"),
        (b"HTTP/1.1 400 Bad \x1b[2J\r\n\r\n", "no SSH server: it says 'HTTP/1.1 400 Bad \\x1b[2J'"),
        (b"SSH-2.0-x\r\n" + b"\xff" * 100, "the key exchange failed: bad packet length"),
    ],
)
def test_other_servers(probe, said, why):
    """What falls silent or speaks something else is given up, and said safely."""
    kept = []

    def talk(connection):
        connection.sendall(said)
        kept.append(connection)

    with listening(talk) as port:
        assert failed(probe("--timeout", "2", f"a@127.0.0.1:{port}"), why)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "no answer to the login within 2 s"),
        (b"Login successful, please proceed.\r\n", "no echo within 2 s"),
        (b"Login successful, please proceed.\r\n" + b"x" * 17, "no echo: 17 bytes came that were"),
        (b"\xff\xfd\x18\xff\xfd\x20login:\r\n", "not let in: the server says '\\xff\\xfd"),
    ],
)
def test_other_line_doors(probe, said, why):
    """A line door that falls silent, adds bytes or speaks Telnet is told so."""
    kept = []

    def talk(connection):
        connection.sendall(said)
        kept.append(connection)

    with listening(talk) as port:
        assert failed(probe("--timeout", "2", f"line://a@127.0.0.1:{port}"), why)


def test_slow_names(home, private):
    """A look-up of a name that hangs does not keep the probe from ending."""
    (private / "sitecustomize.py").write_text(
        f"import socket, time\nsocket.getaddrinfo = lambda *a, **k: time.sleep({PATIENCE})\n"
    )
    done = subprocess.run(
        [*COMMAND, "--timeout", "0.5", "a@host"],
        cwd=ROOT,
        env={**environment(home, "x"), "PYTHONPATH": str(private)},
        capture_output=True,
        text=True,
        timeout=PATIENCE / 2,
        check=False,
    )
    assert failed(done, "unreachable: no connection within 0.5 s")


def test_interrupted(home):
    """Ctrl-C ends it quietly while it waits."""
    arrived = threading.Event()
    kept = []

    def talk(connection):
        kept.append(connection)
        arrived.set()

    with listening(talk) as port:
        process = subprocess.Popen(
            [*COMMAND, "--timeout", str(PATIENCE), f"a@127.0.0.1:{port}"],
            cwd=ROOT,
            env=environment(home, "hunter2"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert arrived.wait(PATIENCE)
        # Whoever lists processes sees no password; the environment is for root and ourselves.
        assert b"hunter2" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == (b"", b"")
    assert process.returncode == 130


def test_no_secret_is_shown(probe, serve, server):
    """The password is in no output, let in or denied, and in none of the server's."""
    with serve("--auth", "memory:user:hunter2") as own:
        done = [probe("--json", target, password="hunter2") for target in (ssh(own), line(own))]
        assert [each.returncode for each in done] == [0, 0]
    before = len(server.lines)
    done += [probe("--json", target, password="hunter2") for target in (ssh(server), line(server))]
    assert [each.returncode for each in done] == [0, 0, 1, 1]
    eventually(lambda: sum("denied" in said for said in server.lines[before:]) >= 2)
    shown = "".join(each.stdout + each.stderr for each in done)
    shown += "".join((*own.lines, *server.lines[before:]))
    assert "hunter2" not in shown


def test_anonymous(probe, serve):
    """The user anonymous gets in without a password, at either door."""
    with serve("--auth", "anonymous") as server:
        for target in (ssh(server, "anonymous"), line(server, "anonymous")):
            done = probe("--json", target, password=None)
            assert json.loads(done.stdout)["auth_method"] == "none", done


def test_ipv6(probe, serve):
    """An IPv6 address is loopback too."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
    with serve("--ssh", f"tcp6:{port}:interface=\\:\\:1", "--line", "off"):
        done = probe("--wait", PATIENCE, f"user@[::1]:{port}")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"[::1]:{port}" in done.stdout


def test_openssh(need, probe, private, write):
    """OpenSSH's server is probed as far as it goes: a shell that runs cat echoes."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or need("sshd")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # as its own start script does
    for name in ("host", "key"):
        subprocess.run(
            [need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", private / name], check=True
        )
    shutil.copy(private / "key.pub", private / "authorized")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = write(
        "sshd_config",
        f"ListenAddress 127.0.0.1:{port}\nHostKey {private}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {private}/authorized\nForceCommand cat\nUsePAM no\n",
    )
    process = subprocess.Popen([sshd, "-D", "-e", "-f", config], stderr=subprocess.PIPE, text=True)
    try:
        user = getpass.getuser()
        done = probe("--json", "--wait", 20, "-i", private / "key", f"{user}@127.0.0.1:{port}")
    finally:
        process.terminate()
        log = process.communicate(timeout=PATIENCE)[1]
    assert done.returncode == 0, (done, log)
    assert json.loads(done.stdout)["server_version"].startswith("SSH-2.0-OpenSSH")


def test_no_output(server, home):
    """An output that is closed is no success."""
    command = " ".join(f"'{word}'" for word in (*COMMAND, ssh(server)))
    done = subprocess.run(
        ["sh", "-c", f"{command} >&-"],
        cwd=ROOT,
        env=environment(home, "pass"),
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (1, b"sshecho probe: the output: it is closed\n")


@pytest.mark.parametrize("output", ["/dev/full", "a pipe that nobody reads"])
def test_output_that_is_not_taken(server, home, output):
    """An output that can't be written is said in one line."""
    if output.startswith("/"):
        stream = os.open(output, os.O_WRONLY)
    else:
        reading, stream = os.pipe()
        os.close(reading)
    done = subprocess.run(
        [*COMMAND, ssh(server)],
        cwd=ROOT,
        env=environment(home, "pass"),
        stdout=stream,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        check=False,
    )
    os.close(stream)
    assert done.returncode == 1
    assert done.stderr.startswith(b"sshecho probe: the output: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "give one target"),
        (["a@b", "c@d"], "give one target"),
        (["a@b:0"], "a port is a number"),
        (["line://a:hunter2@b"], "a password does not belong in the arguments"),
        (["--wait", "0", "a@b"], "--wait: give a number"),
        (["--wait", "nan", "a@b"], "--wait: give a number"),
        (["--timeout", "x", "a@b"], "--timeout: give a number"),
        (["--host-key", "SHA256:x", "a@b"], "--host-key: give a fingerprint"),
        (["-i", "k", "--password-file", "p", "a@b"], "not both"),
        (["--host-key", f"SHA256:{'x' * 43}", "--known-hosts", "k", "a@b"], "not both"),
        (["-i", "k", "line://a@b"], "--identity is for SSH"),
        (["--known-hosts", "k", "line://a@b"], "--known-hosts is for SSH"),
        (["--plain-text", "a@b"], "--plain-text is for the line door"),
        (["line://a%20b@c"], "a name with a space"),
        (["--bogus"], "--bogus not recognized"),
    ],
)
def test_usage(probe, arguments, why):
    """What is wrong with the arguments is said in one line, with status 2."""
    done = probe(*arguments)
    assert failed(done, why, 2)
    assert "hunter2" not in done.stderr


def test_serve_needs_no_client():
    """The other commands import nothing of the client."""
    code = (
        "import sys; from sshecho.__main__ import main\n"
        "try: main(['serve', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if 'probe.' in m or 'conch.ssh.transport' in m))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = done.stdout.splitlines()[-1]
    assert loaded == "['sshecho.probe.command', 'sshecho.probe.target']"

"""What users sign with, and their certificates, with Debian's ssh and ssh-keygen."""

import base64
import re
import shutil
import subprocess
import time
from pathlib import Path

import paramiko
import pytest
from agent import agentOf
from certificates import TOUCHED, VERIFIED, PlainKey, SecurityKey, certify
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from serving import PATIENCE, serving

KINDS = {
    "ed25519": ("ed25519",),
    "ecdsa256": ("ecdsa", "-b", "256"),
    "ecdsa384": ("ecdsa", "-b", "384"),
    "ecdsa521": ("ecdsa", "-b", "521"),
    "rsa": ("rsa", "-b", "2048"),
    "ca": ("ed25519",),
    "ca-ecdsa": ("ecdsa", "-b", "384"),
    "ca-rsa": ("rsa", "-b", "2048"),
    "ca-other": ("ed25519",),
}
AUTHORITIES = ("ca", "ca-ecdsa", "ca-rsa")


class House:
    """A server with authorities, and a folder of keys and what certifies them.

    Attributes:
        server: the server.
        folder: the keys.
    """

    def __init__(self, server, folder: Path, keygen) -> None:
        self.server = server
        self.folder = folder
        self._keygen = keygen

    def certify(
        self, name: str, *options: str, key="ed25519", authority="ca", users="user"
    ) -> Path:
        """Return a key with a certificate beside it, which ssh finds."""
        path = self.folder / name
        for suffix in ("", ".pub"):
            shutil.copy(self.folder / f"{key}{suffix}", f"{path}{suffix}")
        principals = ["-n", users] if users else []
        signing = ["-q", "-s", self.folder / authority, "-I", name, *principals, *options]
        self._keygen(*signing, f"{path}.pub")
        return path

    def hasSaid(self, user: str, why: str) -> bool:
        """Whether a user was denied for a reason; what the server says takes a moment to come."""
        start = f"ssh: {user!r} denied by publickey from "
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if any(start in line and why in line for line in self.server.lines):
                return True
            time.sleep(0.05)
        return False


@pytest.fixture(scope="module")
def house(need, tmp_path_factory):
    """A server that trusts authorities, and has users with plain keys."""
    folder = tmp_path_factory.mktemp("house")
    folder.chmod(0o700)
    program = need("ssh-keygen")

    def keygen(*arguments):
        subprocess.run([program, *arguments], check=True, timeout=PATIENCE)

    for name, kind in KINDS.items():
        keygen("-q", "-N", "", "-C", name, "-f", folder / name, "-t", *kind)
    (folder / "authorities").write_text(
        "".join((folder / f"{name}.pub").read_text() for name in AUTHORITIES)
    )
    (folder / "users").mkdir(mode=0o700)
    for path in (folder / "authorities", folder / "users"):
        path.chmod(path.stat().st_mode & ~0o022)
    options = ["--auth", f"ca:{folder}/authorities", "--auth", f"keys:{folder}/users"]
    with serving(folder, *options, "--line", "off") as server:
        yield House(server, folder, keygen)


@pytest.fixture
def login(house, runSSH):
    """Return a function that logs in with a key, and returns what came of it."""

    def run(key, *options, user="user"):
        more = [word for option in options for word in ("-o", option)]
        return runSSH(house.server, "hi", user=user, key=key, options=more)

    return run


@pytest.fixture
def authorise(house):
    """Return a function that writes the line of a key into its user's file."""

    def writeKeys(user: str, line: str) -> None:
        path = house.folder / "users" / user
        path.write_text(line)
        path.chmod(0o600)

    return writeKeys


def test_server_sig_algs(house, ssh):
    """What users may sign with is told to ssh, and is not what the host key signs with."""
    command, env = ssh(house.server, "hi")
    command[command.index("LogLevel=ERROR")] = "LogLevel=DEBUG2"
    done = subprocess.run(command, capture_output=True, env=env, timeout=PATIENCE, check=False)
    [told] = re.findall(r"server-sig-algs=<(.*)>", done.stderr.decode())
    assert told == (
        "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
        "rsa-sha2-512,rsa-sha2-256,"
        "sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com"
    )


@pytest.mark.parametrize("algorithm", [None, "rsa-sha2-256", "rsa-sha2-512"])
def test_rsa(house, login, authorise, algorithm):
    """An RSA key is a login by SHA-256 and by SHA-512, and without a word about it."""
    authorise("rsa", (house.folder / "rsa.pub").read_text())
    options = [f"PubkeyAcceptedAlgorithms={algorithm}"] if algorithm else []
    done = login(house.folder / "rsa", *options, user="rsa")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hi\n", b"")


def test_sha1(house, login, authorise):
    """An RSA key that signs with SHA-1 only is refused."""
    authorise("rsa", (house.folder / "rsa.pub").read_text())
    done = login(house.folder / "rsa", "PubkeyAcceptedAlgorithms=ssh-rsa", user="rsa")
    assert done.returncode == 255
    assert b"Permission denied" in done.stderr


@pytest.mark.parametrize("kind", ["ecdsa256", "ecdsa384", "ecdsa521"])
def test_curves(house, login, authorise, kind):
    """An ECDSA key on each curve is a login."""
    authorise(kind, (house.folder / f"{kind}.pub").read_text())
    assert login(house.folder / kind, user=kind).stdout == b"hi\n"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa"])
@pytest.mark.parametrize("authority", AUTHORITIES)
def test_certificate(house, login, kind, authority):
    """A certificate of each type of key, by each type of authority, is a login."""
    key = house.certify(f"{kind}-by-{authority}", key=kind, authority=authority)
    done = login(key)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hi\n", b"")


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_hashes_of_rsa_certificates(house, login, algorithm):
    """A certified RSA key signs with SHA-256 or SHA-512, and so does an authority."""
    key = house.certify(algorithm, "-t", algorithm, key="rsa", authority="ca-rsa")
    only = f"PubkeyAcceptedAlgorithms={algorithm}-cert-v01@openssh.com"
    assert login(key, only).stdout == b"hi\n"


def test_sha1_of_certificates(house, login):
    """Neither a certified RSA key nor an authority signs with SHA-1."""
    key = house.certify("sha1", "-t", "ssh-rsa", key="rsa", authority="ca-rsa", users="sha")
    assert login(key, user="sha").returncode == 255
    assert house.hasSaid("sha", "did not sign it: the signature's algorithm")
    key = house.certify("sha1-user", key="rsa", users="sha")
    assert login(key, user="sha").stdout == b"hi\n"
    only = "PubkeyAcceptedAlgorithms=ssh-rsa-cert-v01@openssh.com,ssh-rsa"
    assert login(key, only, user="sha").returncode == 255


@pytest.mark.parametrize(
    ("name", "options", "more"),
    [
        ("several", [], {"users": "alice,several,bob"}),
        ("window", ["-V", "-5m:+5m"], {}),
        ("near", ["-O", "source-address=198.51.100.0/24,127.0.0.0/8,::1/128"], {}),
        ("extended", ["-O", "extension:foo@example.com=bar"], {}),
    ],
)
def test_let_in(house, login, name, options, more):
    """A certificate for the user, now and from here is a login; extensions change nothing."""
    key = house.certify(name, *options, **{"users": name, **more})
    done = login(key, user=name)
    assert (done.stdout, done.stderr) == (b"hi\n", b"")


@pytest.mark.parametrize(
    ("name", "options", "more", "why"),
    [
        ("someone", [], {"users": "else"}, "the certificate is not for this user"),
        ("nobody", [], {"users": ""}, "the certificate is not for this user"),
        ("late", ["-V", "-2h:-1h"], {}, "the certificate has expired"),
        ("early", ["-V", "+1h:+2h"], {}, "the certificate is not valid yet"),
        ("far", ["-O", "source-address=198.51.100.0/24"], {}, "the key is not for this address"),
        (
            "odd",
            ["-O", "critical:foo@example.com=bar"],
            {},
            "the certificate's option foo@example.com is not known here",
        ),
        ("unable", ["-O", "verify-required"], {}, "the key can't verify its user"),
        ("alien", [], {"authority": "ca-other"}, "the certificate's authority is not listed"),
    ],
)
def test_denied(house, login, name, options, more, why):
    """Any other certificate lets nobody in; why is said on the terminal, and not to them."""
    key = house.certify(name, *options, **{"users": name, **more})
    done = login(key, user=name)
    assert done.returncode == 255
    assert done.stdout == b""
    assert done.stderr.endswith(b"Permission denied (publickey).\r\n")
    assert house.hasSaid(name, why)


@pytest.mark.parametrize(
    ("name", "user", "options", "why"),
    [
        ("tampered", "tempered", [], "did not sign it: the signature is wrong"),
        ("host", "host", ["-h"], "the certificate is not for users"),
    ],
)
def test_what_ssh_would_not_send(house, name, user, options, why):
    """A certificate that was changed, or is a host's, is denied to a client that shows it."""
    path = house.certify("x", *options, users=name)
    certificate = Path(f"{path}-cert.pub")
    kind, text, *_ = certificate.read_text().split()
    blob = base64.b64decode(text).replace(name.encode(), user.encode())
    certificate.write_text(f"{kind} {base64.b64encode(blob).decode()}\n")
    key = paramiko.Ed25519Key.from_private_key_file(str(path))
    key.load_certificate(str(certificate))
    with paramiko.Transport(("127.0.0.1", house.server.ssh_port)) as client:
        client.start_client(timeout=PATIENCE)
        with pytest.raises(paramiko.AuthenticationException):
            client.auth_publickey(user, key)
    assert house.hasSaid(user, why)


def test_force_command(house, runSSH):
    """A forced command is what runs, whatever is asked for."""
    key = house.certify("forced", "-O", "force-command=say this")
    for arguments in (["hi"], []):
        done = runSSH(house.server, *arguments, key=key)
        assert (done.stdout, done.stderr) == (b"say this\n", b"")


@pytest.mark.parametrize("options", [["-O", "clear"], ["-O", "no-pty"], []])
def test_pty(house, runSSH, options):
    """A certificate that does not permit a terminal gives none, and lets in all the same."""
    key = house.certify("pty", *options)
    done = runSSH(house.server, "hi", key=key, options=["-tt", "-o", "LogLevel=INFO"])
    assert (b"PTY allocation request failed" in done.stderr) is bool(options)
    assert runSSH(house.server, "hi", key=key).stdout == b"hi\n"


def test_cert_authority_in_a_file_of_keys(house, login, authorise):
    """A line of authorized_keys may name an authority, and the principals that it is for."""
    other = (house.folder / "ca-other.pub").read_text()
    for user, options in {
        "carol": "cert-authority",
        "dave": 'cert-authority,principals="x,ops"',
    }.items():
        authorise(user, f"{options} {other}")
    key = house.certify("carol", users="carol,ops", authority="ca-other")
    assert login(key, user="carol").stdout == b"hi\n"
    assert login(key, user="dave").stdout == b"hi\n"
    key = house.certify("carol", users="carol,dave", authority="ca-other")
    assert login(key, user="dave").returncode == 255
    assert login(house.folder / "ca-other", user="carol").returncode == 255


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
@pytest.mark.parametrize(
    ("flags", "option", "allowed"),
    [
        (TOUCHED, "", True),
        (0, "", False),
        (0, "no-touch-required", True),
        (TOUCHED, "verify-required", False),
        (TOUCHED | VERIFIED, "verify-required", True),
    ],
)
@pytest.mark.parametrize("certified", [True, False], ids=["certificate", "key"])
def test_security_keys(house, login, authorise, private, kind, flags, option, allowed, certified):
    """A security key that was touched is a login, certified or not, by its options."""
    user = f"{kind}-{flags}{option}-{certified}"
    key = SecurityKey(kind, flags)
    public = private / "sk.pub"
    line = f"{key.name.decode()} {base64.b64encode(key.blob).decode()}\n"
    public.write_text(line)
    shown = key.blob
    if certified:
        authority = PlainKey(load_ssh_private_key((house.folder / "ca").read_bytes(), None))
        options = {option.encode(): b""}
        shown = certify(
            key,
            authority,
            principals=[user.encode()],
            critical=options if option == "verify-required" else {},
            extensions=options if option == "no-touch-required" else {},
        )
        name = key.name.replace(b"@", b"-cert-v01@").decode()
        public.write_text(f"{name} {base64.b64encode(shown).decode()}\n")
    else:
        authorise(user, f"{option} {line}".lstrip())
    socket = private / "agent"
    with agentOf(socket, {shown: key}):
        done = login(public, f"IdentityAgent={socket}", user=user)
    assert (done.stdout == b"hi\n") is allowed, done.stderr
    assert done.returncode == (0 if allowed else 255)
    if not allowed:
        why = "did not verify its user" if option else "was not touched"
        assert house.hasSaid(user, why)

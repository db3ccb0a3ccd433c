"""What SSH once was protected with, and compression, with clients that still have it."""

import random
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from clients import ASYNCSSH, KEY, OPENSSH, PARAMIKO, PASSWORD
from matrix import PASSWORD_OF_USER, USER, House, makeKeys
from wiretap import wiretap

from sshecho.testing import ALGORITHMS, Server

EVERYTHING = {kind: names for kind, names in ALGORITHMS.items() if kind != "compression"}
NOISE = random.Random(3).randbytes(150_000)
BULK = NOISE + b"all work and no play " * 7500
"""Half of it can't be compressed, and the other half can."""
OLD_KEX = [name for name in ALGORITHMS["kex"] if name.endswith(("-sha1", "group18-sha512"))]
OLD_KEX += [name for name in ALGORITHMS["kex"] if "nistp" in name]
CBC = [name for name in ALGORITHMS["ciphers"] if name.endswith("-cbc")]
OLD_MACS = [name for name in ALGORITHMS["macs"] if "sha1" in name or "md5" in name]
ANY_CBC = "aes128-cbc"
NEW = b"SSH2_MSG_NEWKEYS received"


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    """A folder with host keys and user keys of every type."""
    folder = tmp_path_factory.mktemp("old")
    folder.chmod(0o700)
    makeKeys(folder)
    return folder


@pytest.fixture(scope="module")
def place(keys):
    """Return a function that has a server offer one kind of compression, or everything but that.

    Its keys carry so little that each bulk changes them, in whichever direction.
    """
    authorized = {USER: (keys / "authorized_keys").read_text().splitlines()}
    with Server(
        user=USER, password=PASSWORD_OF_USER, authorized_keys=authorized, rekey_limit="100K"
    ) as server:

        def start(policy: str) -> House:
            server.reset(**EVERYTHING if policy == "everything" else {"compression": [policy]})
            for number, line in enumerate(server.known_hosts.read_text().splitlines()):
                (keys / "keys" / f"{number}.pub").write_text(line.partition(" ")[2])
            at = SimpleNamespace(ssh_port=server.port, known_hosts=server.known_hosts)
            return House(at, keys)

        yield start


def have(need, client):
    """Skip the test, or fail it, where a client is missing."""
    for name in client.missing():
        need(name)
    return client


def carries(need, place, client, policy="everything", credential=KEY, key="ssh-ed25519", **asked):
    """Have a client that offers no more than was asked for; return what was agreed on."""
    server = place(policy)
    with wiretap(server.port) as tap:
        visit = server.visit(tap.port, credential, None, key=key, algorithms=asked)
        outcome = have(need, client).visit(visit, BULK)
    assert outcome.status == 0, outcome.said
    assert outcome.output == BULK
    return tap


@pytest.mark.parametrize("name", OLD_KEX)
def test_kex(need, place, name):
    """OpenSSH exchanges keys by each old method, and changes them while it sends."""
    assert carries(need, place, OPENSSH, kex=name).negotiated.kex == name


@pytest.mark.parametrize("mac", ["hmac-sha2-256", "hmac-sha1-etm@openssh.com"])
@pytest.mark.parametrize("name", CBC)
def test_cipher(need, place, name, mac):
    """OpenSSH encrypts in CBC, with each kind of MAC."""
    negotiated = carries(need, place, OPENSSH, cipher=name, mac=mac).negotiated
    assert (negotiated.cipher, negotiated.mac) == (name, mac)


@pytest.mark.parametrize("name", OLD_MACS)
def test_mac(need, place, name):
    """OpenSSH authenticates by each old MAC."""
    negotiated = carries(need, place, OPENSSH, cipher="aes192-ctr", mac=name).negotiated
    assert negotiated.mac == name


def test_host_key(need, place):
    """OpenSSH takes an RSA host key's signature by SHA-1."""
    assert carries(need, place, OPENSSH, host_key="ssh-rsa").negotiated.host_key == "ssh-rsa"


@pytest.mark.parametrize("client", [OPENSSH, ASYNCSSH], ids=lambda client: client.name)
def test_user_signature(need, place, client):
    """A user gets in by an RSA key's signature by SHA-1."""
    carries(need, place, client, key="ssh-rsa", signature="ssh-rsa")


@pytest.mark.parametrize("credential", [KEY, PASSWORD])
@pytest.mark.parametrize("name", ["zlib", "zlib@openssh.com"])
def test_openssh_compresses(need, place, name, credential):
    """OpenSSH compresses where a server offers nothing else, and begins anew under new keys."""
    tap = carries(need, place, OPENSSH, policy=name, credential=credential, compression=name)
    assert tap.server.names[6] == tap.server.names[7] == [name]


@pytest.mark.parametrize("client", [PARAMIKO, ASYNCSSH], ids=lambda client: client.name)
@pytest.mark.parametrize("name", ["zlib", "zlib@openssh.com"])
def test_others_compress(need, place, client, name):
    """Other clients compress as well."""
    tap = carries(need, place, client, policy=name, credential=PASSWORD, compression=name)
    assert tap.client.names[6] == tap.client.names[7] == [name]


@pytest.mark.parametrize(
    ("client", "asked"),
    [
        (PARAMIKO, {"cipher": "3des-cbc", "mac": "hmac-md5"}),
        (PARAMIKO, {"cipher": "aes256-cbc", "mac": "hmac-sha1-96", "kex": "ecdh-sha2-nistp521"}),
        (ASYNCSSH, {"cipher": "3des-cbc", "mac": "hmac-sha1-96-etm@openssh.com"}),
        (ASYNCSSH, {"cipher": "aes128-cbc", "mac": "hmac-sha1", "host_key": "ssh-rsa"}),
        (ASYNCSSH, {"kex": "diffie-hellman-group1-sha1"}),
        (ASYNCSSH, {"kex": "diffie-hellman-group-exchange-sha1"}),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "+".join(value.values()),
)
def test_others(need, place, client, asked):
    """Other clients come to the same."""
    negotiated = carries(need, place, client, credential=PASSWORD, **asked).negotiated
    assert asked == {kind: getattr(negotiated, kind) for kind in asked}


@pytest.mark.parametrize(("option", "least"), [("RekeyLimit=20K", 10), ("RekeyLimit=1G", 1)])
@pytest.mark.parametrize("policy", ["everything", "zlib", "zlib@openssh.com"])
def test_new_keys(ssh, place, policy, option, least):
    """Either side changes keys, often and in mid-stream."""
    server = place(policy).server
    cipher = ANY_CBC if policy == "everything" else "aes128-gcm@openssh.com"
    options = ["-T", "-c", cipher]
    for each in (option, "Compression=yes", "LogLevel=DEBUG1"):
        options += ["-o", each]
    command, environment = ssh(server, options=options)
    done = subprocess.run(command, input=BULK, capture_output=True, env=environment, timeout=60)
    assert (done.returncode, done.stdout) == (0, BULK), done.stderr
    assert done.stderr.count(NEW) > least
    agreed = b"compression: %b" % (b"none" if policy == "everything" else policy.encode())
    told = re.findall(rb"compression: \S+", done.stderr)
    assert set(told) == {agreed}
    assert len(told) >= 2 * done.stderr.count(NEW)  # the last exchange may be cut short


def test_not_there(need, place):
    """Where none of it is offered, who wants nothing else does not get in; others do."""
    server = place("none")
    plain = server.visit(server.port, KEY, "hello", algorithms={"cipher": "aes128-ctr"})
    assert have(need, OPENSSH).visit(plain).output == b"hello\n"
    for kind, name in [("kex", OLD_KEX[-1]), ("cipher", ANY_CBC), ("mac", "hmac-sha1")]:
        asked = {"cipher": "aes128-ctr"} if kind == "mac" else {}
        visit = server.visit(server.port, KEY, "hello", algorithms={**asked, kind: name})
        assert have(need, OPENSSH).visit(visit).status == 255

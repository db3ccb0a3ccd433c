"""The clients that people use, each with all that it can do."""

import re
import subprocess
import time
from pathlib import Path

import pytest
from clients import ASYNCSSH, CLIENTS, CREDENTIALS, KEY, OPENSSH, PASSWORD, USES, Client
from matrix import COLUMNS, house, introduce, makeKeys, title
from wiretap import IMPLICIT, Hello, Negotiated, agreed, wiretap

from sshecho.ssh.algorithms import HOST_SIGNATURES, POLICIES, USER_SIGNATURES

ROOT = Path(__file__).resolve().parents[2]
MARKERS = {"ext-info-s", "kex-strict-s-v00@openssh.com"}
"""What stands among a server's key exchanges and is none (RFC 8308; OpenSSH PROTOCOL, 1.9)."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    """A folder with host keys and user keys of every type."""
    folder = tmp_path_factory.mktemp("clients")
    folder.chmod(0o700)
    makeKeys(folder)
    return folder


@pytest.fixture(scope="module")
def modern(keys):
    """A server with --algorithms modern."""
    with house(keys, "modern") as place:
        yield place


@pytest.fixture(scope="module")
def compatible(keys):
    """A server with --algorithms compatible."""
    with house(keys, "compatible") as place:
        yield place


@pytest.fixture(params=POLICIES)
def policy(request):
    """The name of each policy."""
    return request.param


@pytest.fixture
def places(modern, compatible):
    """The servers, by the name of their policy."""
    return {"modern": modern, "compatible": compatible}


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(need, request) -> Client:
    """Each client."""
    for name in request.param.missing():
        need(name)
    return request.param


def logins(place, since: int) -> list[str]:
    """Return how the user has logged in since a line of the server's, once it has said so."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = re.findall(r"'user' logged in by (\S+)", "\n".join(place.server.lines[since:]))
        if found:
            return found
        time.sleep(0.01)
    return []


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("client", "credential"),
    [(client, credential) for client in CLIENTS for credential in client.credentials],
    indirect=["client"],
    ids=lambda x: getattr(x, "name", x),
)
def test_client(places, client, credential, use):
    """Each client gets in by each credential, and gets back what is due, with status 0."""
    place = places[client.algorithms]
    before = len(place.server.lines)
    command, data, due = USES[use].command, USES[use].data, USES[use].due
    outcome = client.visit(place.visit(place.port, credential, command), data)
    assert outcome.status == 0, outcome.said
    assert outcome.output == due
    assert logins(place, before) == [credential]


def test_unknown_host(places, client):
    """Each client looks at the host key: none logs in to a server that has another."""
    place = places[client.algorithms]
    visit = place.visit(place.port, PASSWORD, "hello")
    stranger = (place.folder / "users" / "ssh-ed25519.pub").read_text().strip()
    visit.knowHost([stranger])
    before = len(place.server.lines)
    outcome = client.visit(visit)
    assert outcome.output == b""
    assert outcome.status != 0
    assert "logged in" not in "\n".join(place.server.lines[before:])


def test_offered(places, policy):
    """A server says that it has what its policy says, and nothing else."""
    with wiretap(places[policy].port) as tap:
        ASYNCSSH.visit(places[policy].visit(tap.port, KEY, "hello"))
    kex, hostKey, *rest = tap.server.names
    assert [name for name in kex if name not in MARKERS] == said(POLICIES[policy].keyExchanges)
    assert sorted(hostKey) == sorted(said(HOST_SIGNATURES))
    ciphers, macs = said(POLICIES[policy].ciphers), said(POLICIES[policy].macs)
    none = ["none"]
    assert rest == [ciphers, ciphers, macs, macs, none, none, [""], [""]]


def said(names) -> list[str]:
    return [name.decode() for name in names]


def offered() -> list[tuple[str, str, str]]:
    """Return each policy, kind and name of what is offered."""
    return [
        (policy, kind, name)
        for policy, has in POLICIES.items()
        for kind, names in {
            "kex": has.keyExchanges,
            "host_key": HOST_SIGNATURES,
            "cipher": has.ciphers,
            "mac": has.macs,
        }.items()
        for name in said(names)
    ]


def whoHas(kind: str, name: str) -> Client:
    """Return OpenSSH if it is here and has an algorithm, or else asyncssh, which has them all."""
    if OPENSSH.missing():
        return ASYNCSSH
    query = {"host_key": "HostKeyAlgorithms", "signature": "PubkeyAcceptedAlgorithms"}
    known = subprocess.run(["ssh", "-Q", query.get(kind, kind)], capture_output=True, text=True)
    return OPENSSH if name in known.stdout.split() else ASYNCSSH


@pytest.mark.parametrize(("policy", "kind", "name"), offered())
def test_negotiated(places, policy, kind, name):
    """Each algorithm that is offered is agreed on with a client that has it, and works."""
    place = places[policy]
    asked = {kind: name}
    if kind == "mac":
        asked["cipher"] = said(POLICIES[policy].ciphers)[-1]  # one that needs a MAC
    with wiretap(place.port) as tap:
        visit = place.visit(tap.port, KEY, "hello", algorithms=asked)
        outcome = whoHas(kind, name).visit(visit)
    assert (outcome.output, outcome.status) == (b"hello\n", 0), outcome.said
    assert getattr(tap.negotiated, kind) == name


@pytest.mark.parametrize(
    "name",
    [x for x in said(USER_SIGNATURES) if not x.startswith("sk-")],  # see test_certificates.py
)
def test_user_signatures(modern, name):
    """A user gets in with each signature that is taken."""
    kind = USER_SIGNATURES[name.encode()].decode()
    visit = modern.visit(modern.port, KEY, "hello", key=kind, algorithms={"signature": name})
    outcome = whoHas("signature", name).visit(visit)
    assert (outcome.output, outcome.status) == (b"hello\n", 0), outcome.said


def test_what_is_not_offered(places):
    """What only compatible has, modern refuses."""
    for policy, works in [("modern", False), ("compatible", True)]:
        place = places[policy]
        visit = place.visit(
            place.port, KEY, "hello", algorithms={"kex": "diffie-hellman-group14-sha256"}
        )
        assert (ASYNCSSH.visit(visit).status == 0) == works


def test_introduction(places, client):
    """A client and the server find together with nothing asked for, on what both have."""
    hello, found = introduce(client, places[client.algorithms])
    assert hello.version
    assert found.kex.encode() in POLICIES[client.algorithms].keyExchanges
    assert found.cipher.encode() in POLICIES[client.algorithms].ciphers


def test_first_of_the_clients():
    """What is agreed on is the client's first choice of what the server has too."""
    client = Hello("a", [["x", "k"], ["h"], ["c2", "c1"], ["?"], ["m1", "m2"], *[[""]] * 5])
    server = Hello("b", [["k"], ["h", "i"], ["c1", "c2"], ["?"], ["m2"], *[[""]] * 5])
    assert agreed(client, server) == Negotiated("k", "h", "c2", "m2")
    for side in (client, server):
        side.names[2].insert(0, "aes256-gcm@openssh.com")
    assert agreed(client, server).mac == IMPLICIT


def test_readme():
    """The README's table has the columns and the clients that `scripts/clients` prints."""
    section = (ROOT / "README.md").read_text().split("\n## Clients\n")[1].split("\n## ")[0]
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    assert header == list(COLUMNS)
    can = [[title(c), *(c.can(x) for x in (*CREDENTIALS, *USES))] for c in CLIENTS]
    assert [[row[0], *row[2:-1]] for row in rows] == can

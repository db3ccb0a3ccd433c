"""The options, and the service made of them."""

import os
from pathlib import Path

import pytest
from helpers import Loopback, Password, logged, result
from twisted.conch.interfaces import IConchUser
from twisted.cred.credentials import IAnonymous, ISSHPrivateKey, IUsernamePassword
from twisted.logger import formatEvent
from twisted.python.usage import UsageError

from sshecho.__main__ import main
from sshecho.cred.realm import IProtocolAvatar
from sshecho.service.start import StartError
from sshecho.ssh.algorithms import COMPATIBLE, MODERN
from sshecho.tap import EchoOptions, Options, makeService
from sshecho.tap.options import DEMONSTRATION


def parse(*arguments, options=Options) -> Options:
    parsed = options()
    parsed.parseOptions(list(arguments))
    return parsed


def test_defaults(monkeypatch):
    """Both doors are open on loopback, and the demonstration login is checked."""
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    options = parse()
    assert options["ssh"] == ["tcp:2222:interface=127.0.0.1"]
    assert options["line"] == ["tcp:8000:interface=127.0.0.1"]
    assert options["host-keys"] == Path("/state/sshecho/keys")
    assert options["demonstration"]
    [checker] = options["credInterfaces"][IUsernamePassword]
    assert result(checker.requestAvatarId(Password(b"user", b"pass"))) == b"user"


def test_state_folder(monkeypatch):
    """Without XDG_STATE_HOME the host keys are below the home folder."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert parse()["host-keys"] == Path("/home/me/.local/state/sshecho/keys")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert parse()["host-keys"] == Path("/home/me/.local/state/sshecho/keys")


def test_the_chapters_own():
    """`twistd echo` has all the options, and the SSH door closed unless it is asked for."""
    assert parse(options=EchoOptions)["ssh"] == []
    assert parse("--ssh", "tcp:22", options=EchoOptions)["ssh"] == ["tcp:22"]


def test_doors():
    """A door may be given several times, or be off."""
    options = parse("--ssh", "tcp:1", "--ssh", "tcp:2", "--line", "off")
    assert (options["ssh"], options["line"]) == (["tcp:1", "tcp:2"], [])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--ssh", "off", "--line", "off"], "nothing to serve"),
        (["--ssh", "off", "--ssh", "tcp:1"], "either off or open"),
        (["--line", "haproxy:tcp:1"], "PROXY header"),
        (["--ssh", "hap\\roxy:tcp:1"], "PROXY header"),
        (["--trusted-proxy", "::1", "--ssh", "haproxy:haproxy:tcp:1"], "one PROXY header"),
        (["--trusted-proxy", "::1", "--ssh", "haproxy:unix:/x"], "has no address"),
        (["--trusted-proxy", "proxy"], "--trusted-proxy proxy: 'proxy' does not appear to be"),
        (
            ["--trusted-proxy", "192.0.2.1/24"],
            "--trusted-proxy 192.0.2.1/24: 192.0.2.1/24 has host",
        ),
        (["--rekey-limit", "1T"], "--rekey-limit 1T: it is a number of bytes"),
        (["--rekey-limit", "17G"], "--rekey-limit 17G: it is from 1K to 16G"),
        (["--algorithms", "old"], "--algorithms old: it is either modern or compatible"),
        (["--bogus"], "--bogus not recognized"),
        (["word"], "Wrong number of arguments"),
        (["--ssh"], "requires argument"),
        (["--ssh", "off", "--auth", "sshkey"], "--auth sshkey: only SSH takes keys"),
        (["--auth", "bogus:x"], "--auth bogus: there is no such checker; --help-auth lists them"),
        (["--auth", "memory:x"], "--auth memory: give pairs"),
        (["--auth", ""], "there is no such checker"),
        (["--penalties", "x"], "--penalties: penalties are shared through db:MODULE:CONNECT"),
        (["--help-auth-type", "bogus"], "no such checker"),
        (
            ["--app", "chat:Chat"],
            "--app: the demonstration login is for the echo only; give --auth",
        ),
        (["--host-keys", "~nosuchuser/keys"], "no such home folder: ~nosuchuser/keys"),
        (["--fault", "x"], "--fault x: there is no such fault; there are slow=SECONDS"),
        (["--fault", "hang"], "--fault hang: hang=version|kex|auth|session: it is one of version"),
        (["--fault", "exit=3", "--workers", "2"], "--fault: a server for tests is without"),
        (["--fault", "by-user", "--metrics", "tcp:1"], "--fault: a server for tests is without"),
    ],
)
def test_usage(arguments, why):
    """What is wrong with the arguments is said in one line."""
    with pytest.raises(UsageError) as caught:
        parse(*arguments)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(private):
    """A file that is missing keeps the server from starting, and is named."""
    with pytest.raises(StartError) as caught:
        parse("--auth", f"file:{private}/none")
    assert caught.value.code == (f"sshecho: --auth file: {private}/none: No such file or directory")


def test_chains(write):
    """Checkers of one kind of credentials are a chain in the order given, files among them."""
    path = write("users", b"alice:a\nuser:other")
    options = parse(
        *("--auth", "memory:user:pass"),
        *("--auth", f"file:{path}"),
        *("--auth", f"keys:{path.parent}/%u"),
        *("--auth", "anonymous"),
    )
    assert not options["demonstration"]
    kinds = {kind: len(chain) for kind, chain in options["credInterfaces"].items()}
    assert kinds == {IUsernamePassword: 2, ISSHPrivateKey: 1, IAnonymous: 1}


def test_faults():
    """Faults are kept in order; by-user is none, but lets clients choose."""
    assert parse()["fault"] == []
    faults = parse("--fault", "exit=3", "--fault", "by-user", "--fault", "slow=1")["fault"]
    assert [each and str(each) for each in faults] == ["exit=3", None, "slow=1"]


class Helped(Options):
    """Options whose help can be read."""

    def __init__(self):
        super().__init__()
        self.written = []

    @property
    def authOutput(self):
        return self

    def write(self, text):
        self.written.append(text)


def helped(*arguments) -> str:
    options = Helped()
    with pytest.raises(SystemExit) as caught:
        options.parseOptions(list(arguments))
    assert caught.value.code == 0
    return "".join(options.written)


OURS = ["memory", "file", "hashed", "db", "keys", "ca", "unix", "sshkey", "ldap", "anonymous"]


def test_help_auth():
    """--help-auth lists each checker that a door can use, once, ours in place of Twisted's."""
    names = [line.split()[0] for line in helped("--help-auth").splitlines()[5:] if line.strip()]
    assert names[: len(OURS)] == OURS
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", OURS)
def test_help_auth_type(name):
    """--help-auth-type tells what a checker's argument is, and no longer lines than fit."""
    text = helped("--help-auth-type", name)
    assert text.startswith(f"Usage: --auth {name}[:ArgString]\nArgString format: ")
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.parametrize("arguments", [[], ["serve"], ["passwd"]])
def test_version(arguments, capsys):
    """--version says ours, not Twisted's, whatever the command."""
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("sshecho 0.")


@pytest.fixture
def said():
    with logged() as seen:
        yield lambda: [formatEvent(e) for e in seen if e["log_namespace"] == "sshecho"]


def test_service(private, said):
    """The service listens at every door, and says where, how to log in, and its host key."""
    reactor = Loopback()
    service = makeService(parse("--host-keys", str(private)), reactor)
    assert said() == []
    service.privilegedStartService()
    service.startService()
    assert [(port, interface) for port, _, _, interface in reactor.tcpServers] == [
        (2222, "127.0.0.1"),
        (8000, "127.0.0.1"),
    ]
    _, user, ssh, line, key = said()
    assert "user, the password is pass" in user
    assert "ssh -p 2222 user@" in ssh
    assert "telnet " in line
    assert "host key SHA256:" in key
    assert str(private / "ssh_host_ed25519_key") in key


def test_one_portal(private):
    """Both doors stand before one Portal, whose realm has an avatar for each."""
    reactor = Loopback()
    service = makeService(parse("--host-keys", str(private)), reactor)
    service.startService()
    ssh, line = (factory for _, factory, _, _ in reactor.tcpServers)
    assert ssh.portal is line._portal
    for interface in (IConchUser, IProtocolAvatar):
        assert ssh.portal.realm.requestAvatar(b"u", None, interface)[0] is interface


@pytest.mark.parametrize(
    ("arguments", "policy"),
    [
        ([], MODERN),
        (["--algorithms", "modern"], MODERN),
        (["--algorithms", "compatible"], COMPATIBLE),
    ],
)
def test_algorithms(private, arguments, policy):
    """A connection is offered what --algorithms names, and by default what is modern."""
    reactor = Loopback()
    options = parse("--host-keys", str(private), "--line", "off", *arguments)
    service = makeService(options, reactor)
    service.startService()
    transport = reactor.tcpServers[0][1].buildProtocol(None)
    assert transport.supportedKeyExchanges == policy.keyExchanges
    assert transport.supportedCiphers == policy.ciphers
    assert transport.supportedMACs == policy.macs


def test_no_host_key_without_an_ssh_door(private):
    """Where the SSH door is closed, no host key is made."""
    options = parse("--ssh", "off", "--host-keys", str(private))
    makeService(options, Loopback()).startService()
    assert os.listdir(private) == []


def test_bad_host_key(write, private):
    """A host key that can't be used keeps the server from starting."""
    write("ssh_host_ed25519_key", b"x")
    with pytest.raises(StartError, match=r"sshecho: host key .*not a private key"):
        makeService(parse("--host-keys", str(private)), Loopback())


def test_nothing_is_imported_that_has_a_reactor():
    """Parsing options installs no reactor: twistd may still choose one."""
    import subprocess
    import sys

    code = (
        "import sys; from sshecho.tap import Options; Options().parseOptions([]);"
        "print('twisted.internet.reactor' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
    assert DEMONSTRATION == ("user", "pass")

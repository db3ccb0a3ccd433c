"""The lines of authorized_keys, and who gets in by them."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.conch.error import ValidPublicKey
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.cred.error import UnauthorizedLogin

from sshecho.cred.authorizedkeys import authorise, parseAuthorizedKeys
from sshecho.cred.credentials import PublicKey
from sshecho.cred.identity import termsOf

ED25519 = Key(ed25519.Ed25519PrivateKey.generate())
ECDSA = Key(ec.generate_private_key(ec.SECP384R1()))
RSA = Key(rsa.generate_private_key(65537, 2048))
SHORT = Key(rsa.generate_private_key(65537, 1024))


def line(key: Key, options: bytes = b"") -> bytes:
    return options + key.public().toString("OPENSSH") + b"\n"


def parse(*lines: bytes):
    """Return the keys, and the warnings."""
    warnings: list[str] = []
    return parseAuthorizedKeys("file", b"".join(lines), warnings.append), warnings


def shown(key: Key, address="192.0.2.1", signed=True) -> PublicKey:
    blob = key.public().blob()
    signature = key.sign(b"data", key.sshType()) if signed else None
    return PublicKey(b"user", key.sshType(), blob, b"data" if signed else None, signature, address)


def test_lines():
    """Comments, blank lines, line ends, indents and comments behind the key are no trouble."""
    keys, warnings = parse(
        b"# mine\r\n\n# off\r" + line(RSA),
        b"  " + line(ED25519),
        b"\tno-pty\t" + line(ECDSA).rstrip() + b" me@home and more\r\n",
    )
    assert [key.blob for key in keys] == [ED25519.public().blob(), ECDSA.public().blob()]
    assert [key.options.terms.pty for key in keys] == [True, False]
    assert warnings == []


def test_lines_left_out():
    """A line that can't be used, or asks for what is not known, is left out with a warning."""
    damaged = base64.b64encode(NS(b"ssh-ed25519") + b"\0\0\0\x20short")
    keys, warnings = parse(
        line(ED25519, b"sandbox "),
        line(ED25519, b'command="x '),
        line(SHORT),
        b"ssh-ed25519\n",
        b"ssh-ed25519 ???\n",
        b"ssh-ed25519 " + damaged + b"\n",
        line(ECDSA).replace(b"ecdsa-sha2-nistp384", b"ssh-ed25519", 1),
        b"ssh-dss AAAA\n",
        b"no-pty\n",
        b"\xff\xfe\n",
        line(RSA),
    )
    assert [key.blob for key in keys] == [RSA.public().blob()]
    assert [text.split(" is left out: ")[0] for text in warnings] == [
        f"file: line {number}" for number in range(1, 11)
    ]
    assert "the option sandbox is not known here" in warnings[0]
    assert "1024 bits" in warnings[2]


def test_private_key():
    """A private key in place of public ones is warned of once, and not line by line."""
    keys, warnings = parse(ED25519.toString("OPENSSH"))
    assert keys == []
    assert warnings == ["file: a private key; what belongs here is in the .pub beside it"]


def test_known_before_it_has_signed():
    """A listed key is known without a signature, and names its user with the right one."""
    keys, _ = parse(line(ED25519, b'environment="A=1" '))
    with pytest.raises(ValidPublicKey):
        authorise(b"user", keys, shown(ED25519, signed=False), 0)
    identity = authorise(b"user", keys, shown(ED25519), 0)
    assert identity == b"user"
    assert termsOf(identity).environment == {b"A": b"1"}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (b'from="198.51.100.0/24" ', "not for this address"),
        (b'expiry-time="19991231Z" ', "has expired"),
    ],
)
@pytest.mark.parametrize("signed", [True, False])
def test_refused_by_its_options(options, why, signed):
    """A key that may not be used now or from there is not even known."""
    keys, _ = parse(line(ED25519, options))
    with pytest.raises(UnauthorizedLogin, match=why) as caught:
        authorise(b"user", keys, shown(ED25519, signed=signed), 1_000_000_000)
    assert caught.type is UnauthorizedLogin  # and not ValidPublicKey, which is one too


def test_credentials_without_an_address():
    """A key that is only for some addresses lets nobody in whose address is not known."""
    keys, _ = parse(line(ED25519, b'from="*" '))
    with pytest.raises(UnauthorizedLogin, match="not for this address"):
        authorise(b"user", keys, shown(ED25519, address=None), 0)


def test_another_line_of_the_same_key():
    """A key that stands there twice is used on the first terms that let it in."""
    keys, _ = parse(
        line(ED25519, b'from="198.51.100.1",command="a" '),
        line(ED25519, b'command="b" '),
        line(ED25519, b'command="c" '),
    )
    assert termsOf(authorise(b"user", keys, shown(ED25519), 0)).command == b"b"


def test_wrong_signature():
    """A listed key that did not sign lets nobody in."""
    keys, _ = parse(line(ED25519))
    credentials = shown(ED25519)
    credentials.sigData = b"other data"
    with pytest.raises(UnauthorizedLogin, match="the signature is wrong"):
        authorise(b"user", keys, credentials, 0)

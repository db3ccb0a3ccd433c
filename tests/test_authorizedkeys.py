"""The lines of authorized_keys, and who gets in by them."""

import base64

import pytest
from certificates import TOUCHED, VERIFIED, PlainKey, SecurityKey, certify
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
CA = PlainKey(ed25519.Ed25519PrivateKey.generate())
USER_KEY = PlainKey(ed25519.Ed25519PrivateKey.generate())
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


def signedBy(key, blob=None, address="192.0.2.1", signed=True) -> PublicKey:
    """Return what a client shows of a security key, or of a key in a certificate."""
    signature = key.sign(b"data") if signed else None
    return PublicKey(b"user", b"", blob or key.blob, b"data", signature, address)


def lineOf(key, options: bytes = b"") -> bytes:
    return options + key.name + b" " + base64.b64encode(key.blob) + b"\n"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
@pytest.mark.parametrize(
    ("flags", "options", "why"),
    [
        (TOUCHED, b"", None),
        (0, b"", "was not touched"),
        (VERIFIED, b"", "was not touched"),
        (0, b"no-touch-required ", None),
        (TOUCHED, b"verify-required ", "did not verify"),
        (TOUCHED | VERIFIED, b"verify-required ", None),
        (VERIFIED, b"verify-required ", "was not touched"),
        (VERIFIED, b"no-touch-required,verify-required ", None),
        (0, b"no-touch-required,verify-required ", "did not verify"),
    ],
)
def test_security_keys(kind, flags, options, why):
    """A security key has to be touched, unless its line says not; and to verify if it says so."""
    key = SecurityKey(kind, flags)
    keys, warnings = parse(lineOf(key, options))
    assert warnings == []
    with pytest.raises(ValidPublicKey):
        authorise(b"user", keys, signedBy(key, signed=False), 0)
    if why is None:
        assert authorise(b"user", keys, signedBy(key), 0) == b"user"
    else:
        with pytest.raises(UnauthorizedLogin, match=why):
            authorise(b"user", keys, signedBy(key), 0)


@pytest.mark.parametrize("signed", [True, False])
def test_verify_required_of_another_key(signed):
    """A key that can't verify its user lets nobody in where that is required."""
    keys, _ = parse(line(ED25519, b"verify-required "))
    with pytest.raises(UnauthorizedLogin, match="can't verify its user") as caught:
        authorise(b"user", keys, shown(ED25519, signed=signed), 0)
    assert caught.type is UnauthorizedLogin


@pytest.mark.parametrize(
    ("options", "principals", "why"),
    [
        (b"cert-authority ", [b"user"], None),
        (b"cert-authority ", [b"other"], "is not for this user"),
        (b"cert-authority ", [], "is not for this user"),
        (b'cert-authority,principals="a,b" ', [b"b"], None),
        (b'cert-authority,principals="a,b" ', [b"user"], "is not for this user"),
        (b'cert-authority,principals="a,b" ', [], "is not for this user"),
        (b'cert-authority,from="10.0.0.1" ', [b"user"], "not for this address"),
        (b'cert-authority,expiry-time="19700101Z" ', [b"user"], "the key has expired"),
        (b'cert-authority,command="x" ', [b"user"], "is not the command="),
        (b"cert-authority,verify-required ", [b"user"], "can't verify its user"),
        (b"", [b"user"], "authority is not listed"),
    ],
)
@pytest.mark.parametrize("signed", [True, False])
def test_cert_authority(options, principals, why, signed):
    """A line for an authority lets in by a certificate, on both's terms, and by nothing else."""
    keys, warnings = parse(lineOf(CA, options))
    assert warnings == []
    blob = certify(USER_KEY, CA, principals=principals, critical={b"force-command": NS(b"y")})
    credentials = signedBy(USER_KEY, blob, signed=signed)
    if why is not None:
        with pytest.raises(UnauthorizedLogin, match=why) as caught:
            authorise(b"user", keys, credentials, 0)
        assert caught.type is UnauthorizedLogin
    elif signed:
        assert termsOf(authorise(b"user", keys, credentials, 0)).command == b"y"
    else:
        with pytest.raises(ValidPublicKey):
            authorise(b"user", keys, credentials, 0)


def test_another_line_of_the_same_authority():
    """An authority that stands there twice is used on the first terms that let the user in."""
    keys, _ = parse(
        lineOf(CA, b'cert-authority,principals="other",command="a" '),
        lineOf(CA, b'cert-authority,command="b" '),
    )
    credentials = signedBy(USER_KEY, certify(USER_KEY, CA))
    assert termsOf(authorise(b"user", keys, credentials, 0)).command == b"b"


def test_the_key_of_an_authority():
    """An authority's own key lets nobody in, and that of a user certifies nobody."""
    keys, _ = parse(lineOf(CA, b"cert-authority "))
    with pytest.raises(UnauthorizedLogin, match="the key is not listed"):
        authorise(b"user", keys, signedBy(CA), 0)


@pytest.mark.parametrize("blob", [certify(USER_KEY, CA)[:-1], certify(CA, CA)])
def test_not_of_the_certified_key(blob):
    """A damaged certificate, and a signature by another key than the one certified, are denied."""
    keys, _ = parse(lineOf(CA, b"cert-authority "))
    with pytest.raises(UnauthorizedLogin, match=r"damaged|the signature is wrong"):
        authorise(b"user", keys, signedBy(USER_KEY, blob), 0)


def test_certificates_are_no_lines():
    """A certificate in place of a key is left out with a warning."""
    line = b"ssh-ed25519-cert-v01@openssh.com " + base64.b64encode(certify(USER_KEY, CA))
    keys, [warning] = parse(line)
    assert keys == []
    assert "no key of a type that is accepted" in warning

"""The checker of certificates."""

import base64

import pytest
from certificates import TOUCHED, PlainKey, SecurityKey, certify
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from helpers import denied, inline, logged, result
from twisted.conch.error import ValidPublicKey
from twisted.conch.ssh.common import NS
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.logger import formatEvent
from zope.interface.verify import verifyObject

from sshecho.cred.certificateauthority import (
    CertificateChecker,
    CertificateCheckerFactory,
    parseAuthorities,
)
from sshecho.cred.credentials import PublicKey
from sshecho.cred.files import BadFileError
from sshecho.cred.identity import Terms, termsOf

CA = PlainKey(ed25519.Ed25519PrivateKey.generate())
OTHER = PlainKey(ed25519.Ed25519PrivateKey.generate())
RSA = PlainKey(rsa.generate_private_key(65537, 2048))
SHORT = PlainKey(rsa.generate_private_key(65537, 1024))
USER = PlainKey(ed25519.Ed25519PrivateKey.generate())


def line(key, options: bytes = b"") -> bytes:
    return options + key.name + b" " + base64.b64encode(key.blob) + b" the authority\n"


def credentials(blob: bytes, key=USER, user=b"user", signed=True) -> PublicKey:
    signature = key.sign(b"data") if signed else None
    return PublicKey(user, b"", blob, b"data", signature, "192.0.2.1")


def spoilt(blob: bytes) -> bytes:
    return blob[:-1] + bytes([blob[-1] ^ 1])


@pytest.fixture
def checker(write):
    path = write("authorities", b"# ours\n\n" + line(RSA) + line(CA))
    return CertificateChecker(str(path), inline, lambda: 150)


def test_login(checker):
    """A certificate is known before its key has signed, and lets its user in when it has."""
    verifyObject(ICredentialsChecker, checker)
    for authority in (CA, RSA):
        blob = certify(USER, authority, extensions={b"permit-pty": b""}, after=100, before=200)
        with pytest.raises(ValidPublicKey):
            result(checker.requestAvatarId(credentials(blob, signed=False)))
        identity = result(checker.requestAvatarId(credentials(blob)))
        assert identity == b"user"
        assert termsOf(identity) == Terms()


def test_terms(checker):
    """Who gets in by a certificate is kept to its terms."""
    blob = certify(USER, CA, critical={b"force-command": NS(b"x")})
    identity = result(checker.requestAvatarId(credentials(blob)))
    assert termsOf(identity) == Terms(pty=False, command=b"x")


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (USER.blob, "the key is not listed"),
        (CA.blob, "the key is not listed"),
        (certify(USER, OTHER), "the certificate's authority is not listed"),
        (certify(USER, CA, principals=[b"other"]), "the certificate is not for this user"),
        (certify(USER, CA, principals=[]), "the certificate is not for this user"),
        (certify(USER, CA, kind=2), "the certificate is not for users"),
        (certify(USER, CA, before=150), "the certificate has expired"),
        (certify(USER, CA, after=151), "the certificate is not valid yet"),
        (certify(USER, CA, critical={b"x@y": b""}), "option x@y is not known here"),
        (certify(USER, CA, critical={b"verify-required": b""}), "can't verify its user"),
        (
            certify(USER, CA, critical={b"source-address": NS(b"10.0.0.1")}),
            "the key is not for this address",
        ),
        (spoilt(certify(USER, CA)), "did not sign it: the signature is wrong"),
        (certify(USER, RSA, algorithm=b"ssh-rsa"), "did not sign it: the signature's algorithm"),
        (certify(SHORT, CA), "an RSA key of 1024 bits"),
        (certify(USER, CA)[:100], "the certificate is damaged: it is cut short"),
    ],
)
def test_denied(checker, blob, why, signed):
    """Whoever is denied learns nothing of why, and that their certificate is known least of all."""
    with pytest.raises(UnauthorizedLogin, match=why) as caught:
        result(checker.requestAvatarId(credentials(blob, signed=signed)))
    assert caught.type is UnauthorizedLogin  # and not ValidPublicKey, which is one too


def test_not_signed_by_the_certified_key(checker):
    """Another key than the certified one lets nobody in, the authority's least of all."""
    blob = certify(USER, CA)
    for key in (CA, OTHER):
        with pytest.raises(UnauthorizedLogin, match="the signature is wrong"):
            result(checker.requestAvatarId(credentials(blob, key)))


def test_no_key_is_parsed_of_an_unknown_authority(checker, monkeypatch):
    """A certificate by another authority is not verified, nor is a key in it looked at."""
    monkeypatch.setattr("sshecho.cred.certificate.verify", None)
    monkeypatch.setattr("sshecho.cred.certificate.loadKey", None)
    assert denied(checker.requestAvatarId(credentials(certify(USER, OTHER))))
    with pytest.raises(TypeError):
        result(checker.requestAvatarId(credentials(certify(USER, CA))))


@pytest.mark.parametrize(
    ("flags", "extensions", "allowed"),
    [(TOUCHED, {}, True), (0, {}, False), (0, {b"no-touch-required": b""}, True)],
)
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_security_keys(checker, kind, flags, extensions, allowed):
    """A certified security key has to be touched, unless the certificate says not."""
    key = SecurityKey(kind, flags)
    answer = checker.requestAvatarId(credentials(certify(key, CA, extensions=extensions), key))
    assert denied(answer) is not allowed


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "there is no key in it"),
        (b"# none\n", "there is no key in it"),
        (line(CA) + b"\n" + line(CA, b"cert-authority "), "line 3: .* no key of a type"),
        (line(SHORT), "line 1: an RSA key of 1024 bits"),
        (b"ssh-ed25519\n", "line 1: the key is damaged"),
        (b"ssh-ed25519 AAAA\n", "line 1: the key is damaged"),
        (line(CA).replace(b"ssh-ed25519", b"ssh-rsa"), "line 1: the key is of another type"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "line 1: .* no key of a type"),
        (
            b"ssh-ed25519-cert-v01@openssh.com " + base64.b64encode(certify(CA, CA)),
            "line 1: .* no key of a type",
        ),
    ],
)
def test_broken_file(write, text, why):
    """A file with a line that is no key keeps the server from starting, and is named."""
    with pytest.raises(ValueError, match=why):
        parseAuthorities(text)
    path = write("authorities", text)
    with pytest.raises(BadFileError, match=f"^{path}: {why}"):
        CertificateCheckerFactory().generateChecker(str(path))


def test_files_that_can_not_be_used(private, write):
    """A file that is missing, or that others can write to, keeps the server from starting."""
    factory = CertificateCheckerFactory()
    verifyObject(ICheckerFactory, factory)
    with pytest.raises(InvalidAuthArgumentString):
        factory.generateChecker("")
    with pytest.raises(BadFileError, match="No such file"):
        factory.generateChecker(f"{private}/none")
    path = write("open", line(CA), mode=0o666)
    with pytest.raises(BadFileError, match="others can write to it"):
        factory.generateChecker(str(path))


def test_changed(checker, write):
    """An authority that is taken out lets nobody in any more; a broken file nobody at all."""
    login = credentials(certify(USER, CA))
    assert result(checker.requestAvatarId(login)) == b"user"
    write("authorities", line(RSA))
    assert denied(checker.requestAvatarId(login))
    with logged() as seen:
        write("authorities", line(RSA) + b"rubbish\n")
        for _ in range(2):
            with pytest.raises(UnauthorizedLogin, match="the file of authorities can't be used"):
                result(checker.requestAvatarId(credentials(certify(USER, RSA))))
        write("authorities", line(CA))
        assert result(checker.requestAvatarId(login)) == b"user"
    assert [formatEvent(event).partition("; ")[2] for event in seen] == [
        "until it is mended it lets nobody in",
        "",
    ]

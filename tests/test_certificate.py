"""OpenSSH's certificates: what they say, and whom they let in."""

import base64
import time
from contextlib import suppress

import pytest
from certificates import FOREVER, HOST, PlainKey, SecurityKey, certify
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_public_identity,
)
from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS

from sshecho.cred.certificate import LARGEST_CERTIFICATE, isCertificate, judge, parseCertificate
from sshecho.cred.identity import Terms

KEYS = {
    "ed25519": PlainKey(ed25519.Ed25519PrivateKey.generate()),
    "nistp256": PlainKey(ec.generate_private_key(ec.SECP256R1())),
    "nistp384": PlainKey(ec.generate_private_key(ec.SECP384R1())),
    "nistp521": PlainKey(ec.generate_private_key(ec.SECP521R1())),
    "rsa": PlainKey(rsa.generate_private_key(65537, 2048)),
    "sk-ed25519": SecurityKey("ed25519"),
    "sk-ecdsa": SecurityKey("ecdsa"),
}
CA = PlainKey(ed25519.Ed25519PrivateKey.generate())
USER = [b"user"]


def judged(names=USER, now=1_000_000_000.0, key="ed25519", authority=CA, **more):
    return judge(parseCertificate(certify(KEYS[key], authority, **more)), names, now)


@pytest.mark.parametrize("kind", KEYS)
def test_types(kind):
    """A certificate of each type of key is read, and lets its user in."""
    blob = certify(KEYS[kind], CA)
    assert isCertificate(blob)
    assert parseCertificate(blob).key == KEYS[kind].blob
    assert judged(key=kind).terms == Terms(pty=False)


@pytest.mark.parametrize("kind", KEYS)
def test_types_of_authorities(kind):
    """An authority has a key of any type."""
    assert judged(authority=KEYS[kind]).touchRequired


@pytest.mark.parametrize("kind", ["ed25519", "nistp256", "nistp384", "nistp521", "rsa"])
def test_as_cryptography(kind):
    """What cryptography writes into a certificate is what we read, and it reads as we do."""
    private = KEYS[kind].private
    written = (
        SSHCertificateBuilder()
        .public_key(private.public_key())
        .serial((1 << 64) - 1)
        .type(SSHCertificateType.USER)
        .key_id(b"an id")
        .valid_principals([b"alice", b"bob"])
        .valid_after(5)
        .valid_before(FOREVER)
        .add_critical_option(b"force-command", b"x")
        .add_extension(b"permit-pty", b"")
        .sign(private)
    )
    read = load_ssh_public_identity(written.public_bytes())
    mine = parseCertificate(base64.b64decode(written.public_bytes().split()[1]))
    assert mine.serial == read.serial
    assert mine.kind == read.type.value
    assert mine.id == read.key_id
    assert mine.principals == read.valid_principals == [b"alice", b"bob"]
    assert (mine.validAfter, mine.validBefore) == (read.valid_after, read.valid_before)
    assert mine.criticalOptions == {
        name: NS(value) for name, value in read.critical_options.items()
    }
    assert mine.extensions == read.extensions
    assert mine.key == mine.authority == KEYS[kind].blob
    assert judge(mine, [b"bob"], 5).terms == Terms(pty=True, command=b"x")


def test_principals():
    """A certificate is for those whom it names, and one that names nobody is for nobody."""
    two = [b"alice", b"bob"]
    assert judged([b"bob"], principals=two)
    assert judged([b"x", b"alice"], principals=two)
    for principals, wanted in [(two, b"user"), (two, b""), ([], b"user"), ([b"us*"], b"user")]:
        with pytest.raises(ValueError, match="not for this user"):
            judged([wanted], principals=principals)


def test_validity():
    """A certificate is valid from its first second until before its last."""
    assert judged(now=100, after=100, before=200)
    assert judged(now=199.9, after=100, before=200)
    with pytest.raises(ValueError, match="not valid yet"):
        judged(now=99.9, after=100, before=200)
    for now in (200, FOREVER):
        with pytest.raises(ValueError, match="has expired"):
            judged(now=now, after=100, before=200)
    with pytest.raises(ValueError, match="has expired"):
        judged(now=150, after=100, before=50)
    assert judged(now=time.time())


@pytest.mark.parametrize("kind", [HOST, 0, 3])
def test_not_of_users(kind):
    """A host's certificate, or one of another kind, lets no user in."""
    with pytest.raises(ValueError, match="not for users"):
        judged(kind=kind)


def test_terms():
    """A certificate's options and extensions become terms; other extensions permit nothing."""
    options = judged(
        critical={b"force-command": NS(b"say this"), b"verify-required": b""},
        extensions={b"permit-pty": b"", b"no-touch-required": b"", b"permit-X@example.org": b"x"},
        key="sk-ed25519",
    )
    assert options.terms == Terms(pty=True, command=b"say this")
    assert options.verifyRequired
    assert not options.touchRequired
    assert judged().touchRequired
    assert not judged().verifyRequired
    assert not judged(extensions={b"permit-pt": b""}).terms.pty


@pytest.mark.parametrize(
    ("sources", "address", "refused"),
    [
        (b"192.0.2.1", "192.0.2.1", False),
        (b"192.0.2.1", "192.0.2.2", True),
        (b"10.0.0.0/8,2001:db8::/32", "10.1.2.3", False),
        (b"10.0.0.0/8,2001:db8::/32", "2001:db8::7", False),
        (b"10.0.0.0/8,2001:db8::/32", "192.0.2.1", True),
        (b"10.0.0.0/8", "::ffff:10.0.0.1", False),
        (b"0.0.0.0/0", None, True),
    ],
)
def test_source_address(sources, address, refused):
    """A certificate may be only for some addresses."""
    options = judged(critical={b"source-address": NS(sources)})
    assert bool(options.refusal(address, 0)) is refused


@pytest.mark.parametrize(
    "critical",
    [
        {b"foo@example.com": NS(b"bar")},
        {b"foo\x1b@example.com": b""},
        {b"permit-pty": b""},
        {b"": b""},
        {b"Force-Command": NS(b"x")},
        {b"force-command": b"x"},
        {b"force-command": NS(b"x") + b"y"},
        {b"force-command": NS(b"x"), b"unknown": b""},
        {b"verify-required": NS(b"")},
        *(
            {b"source-address": NS(sources)}
            for sources in (b"", b"!10.0.0.1", b"10.0.0.*", b"*", b"10.0.0.1,", b"10.0.0.1/8")
        ),
        {b"source-address": NS(b"localhost")},
        {b"source-address": b"10.0.0.1"},
    ],
)
def test_critical_options_that_refuse(critical):
    """A critical option that is not known or not understood lets nobody in (certkeys)."""
    with pytest.raises(ValueError, match=r"not known here|short|more than|is not addresses"):
        judged(critical=critical)


@pytest.mark.parametrize("field", ["critical", "extensions"])
def test_an_option_twice(field):
    """An option that is there twice could be read in two ways, and damages the certificate."""
    with pytest.raises(ValueError, match="twice"):
        judged(**{field: (NS(b"force-command") + NS(NS(b"x"))) * 2})


def test_sha1():
    """An authority with an RSA key that signs with SHA-1 lets nobody in."""
    for algorithm in (b"rsa-sha2-256", b"rsa-sha2-512"):
        assert judged(authority=KEYS["rsa"], algorithm=algorithm)
    with pytest.raises(ValueError, match="did not sign it: the signature's algorithm"):
        judged(authority=KEYS["rsa"], algorithm=b"ssh-rsa")


def test_short_rsa_keys():
    """An RSA key of less than 2048 bits is neither certified nor an authority."""
    short = PlainKey(rsa.generate_private_key(65537, 1024))
    for blob in (certify(short, CA), certify(CA, short)):
        with pytest.raises(ValueError, match="1024 bits"):
            judge(parseCertificate(blob), USER, 0)


def test_a_certified_authority():
    """A certificate signs no certificate."""
    chained = PlainKey(CA.private)
    chained.blob = certify(CA, CA)
    with pytest.raises(ValueError, match="of no type"):
        judged(authority=chained)


def test_tampered():
    """Whichever byte is changed, the certificate is damaged or its signature is wrong."""
    blob = certify(KEYS["ed25519"], CA, critical={b"force-command": NS(b"x")})
    assert judge(parseCertificate(blob), USER, 0)
    for at in range(len(blob)):
        with pytest.raises(ValueError, match=r"\w"):
            judge(parseCertificate(blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]), USER, 0)
        with pytest.raises(ValueError, match=r"\w"):
            parseCertificate(blob[:at])
    with pytest.raises(ValueError, match="more than"):
        parseCertificate(blob + b"\0")


def test_a_damaged_key():
    """A certificate for what is no key lets nobody in, though an authority has signed it."""
    damaged = PlainKey(KEYS["ed25519"].private)
    damaged.blob = NS(b"ssh-ed25519") + NS(b"short")
    with pytest.raises(ValueError, match="the key is damaged"):
        judge(parseCertificate(certify(damaged, CA)), USER, 0)


def test_size():
    """A certificate with as many principals as OpenSSH allows is read, and a larger one not."""
    names = [b"a.rather.long.name.%03d@example.org" % number for number in range(256)]
    assert judged([names[-1]], principals=names)
    large = certify(KEYS["rsa"], CA, principals=[b"x" * LARGEST_CERTIFICATE])
    with pytest.raises(ValueError, match="too large"):
        parseCertificate(large)


@pytest.mark.parametrize(
    "blob",
    [b"", KEYS["ed25519"].blob, NS(b"ssh-rsa"), NS(b"ssh-dss-cert-v01@openssh.com")]
    + [NS(b"ssh-ed25519-cert-v00@openssh.com"), NS(b"x509v3-ssh-rsa")],
)
def test_other_types(blob):
    """What is of another type is not read."""
    assert not isCertificate(blob)
    with pytest.raises(ValueError, match="of a type that is accepted"):
        parseCertificate(blob)


BLOBS = [certify(key, CA, critical={b"force-command": NS(b"x")}) for key in KEYS.values()]


@given(st.sampled_from(BLOBS), st.integers(0, 600), st.binary(), st.integers(0, 600))
def test_any_bytes(blob, kept, middle, skipped):
    """Whatever the bytes are, nothing worse than a ValueError comes of them."""
    try:
        judge(parseCertificate(blob[:kept] + middle + blob[skipped:]), USER, 0)
    except ValueError:
        pass
    else:
        assert blob[:kept] + middle + blob[skipped:] == blob


@given(st.lists(st.binary(max_size=40) | st.binary().map(NS), max_size=14))
def test_any_fields(fields):
    """A certificate whose fields are anything at all is refused, and nothing worse."""
    with pytest.raises(ValueError, match=r"\w"):
        judge(parseCertificate(NS(b"ssh-ed25519-cert-v01@openssh.com") + b"".join(fields)), USER, 0)


@given(st.dictionaries(st.sampled_from([b"force-command", b"source-address"]), st.binary()))
def test_any_options(critical):
    """Whatever an authority writes into options, nothing worse than a ValueError comes of it."""
    with suppress(ValueError):
        judged(critical=critical)


@given(st.binary() | st.text("0123456789abcdef.:/,").map(str.encode))
def test_any_source_address(value):
    """Nor whatever it writes into the addresses."""
    with suppress(ValueError):
        judged(critical={b"source-address": NS(value)}).refusal("192.0.2.1", 0)

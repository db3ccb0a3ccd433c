"""The mathematics of key exchange, against what others have published and recorded."""

import hashlib
import json
import warnings
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mlkem
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS

from sshecho.ssh.packets.groups import GENERATOR, Group, choose, group
from sshecho.ssh.packets.keyexchange import (
    METHODS,
    Curve25519,
    DiffieHellman,
    EllipticCurve,
    ForeignDiffieHellman,
    Hybrid,
    KeyExchangeError,
    checkGroup,
    deriveKey,
    exchangeHash,
    mpint,
)

with warnings.catch_warnings(action="ignore"):  # cryptography is to lose it one day
    from cryptography.hazmat.primitives.asymmetric.dh import DHPrivateNumbers, DHPublicNumbers

RECORDINGS = json.loads(
    Path(__file__).with_name("recordings").joinpath("keyexchanges.json").read_text()
)
"""Written by record.py there; each hash was accepted by a client not of our making."""

CURVES = {
    b"ecdh-sha2-nistp256": ec.SECP256R1(),
    b"ecdh-sha2-nistp384": ec.SECP384R1(),
    b"ecdh-sha2-nistp521": ec.SECP521R1(),
}
GROUPS = {
    b"diffie-hellman-group14-sha256": group(2048),
    b"diffie-hellman-group16-sha512": group(4096),
}
X25519_PRIME = 2**255 - 19
LOW_ORDER = [  # all the numbers under 2^255 that X25519 makes zero of; RFC 7748, section 6.1
    0,
    1,
    X25519_PRIME - 1,
    X25519_PRIME,
    X25519_PRIME + 1,
    0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
]


def start(name):
    """Begin a run of a method, in a group of 3072 bits if it wants one."""
    method = METHODS[name]
    return method.start(group(3072)) if method.groupExchange else method.start()


def holding(agreement, key):
    """Return a run that has the private key of a test."""
    agreement._key = key
    return agreement


def x25519(private):
    """Return a run of Curve25519 that has a private key."""
    return holding(Curve25519(), X25519PrivateKey.from_private_bytes(private))


def nist(name, number):
    """Return a run of ECDH that has a private key."""
    curve = CURVES[name]
    return holding(EllipticCurve(curve), ec.derive_private_key(number, curve))


def finiteField(where, number):
    """Return a run of Diffie-Hellman in a group that has a private key."""
    agreement = DiffieHellman(where)
    share = pow(where.generator, number, where.prime)
    numbers = DHPrivateNumbers(number, DHPublicNumbers(share, agreement._numbers))
    return holding(agreement, numbers.private_key())


def hybrid(seed, private):
    """Return a client's run of the hybrid that has private keys."""
    agreement = holding(Hybrid(), mlkem.MLKEM768PrivateKey.from_seed_bytes(seed))
    agreement._curve = x25519(private)
    return agreement


def groupSent(payload):
    """Return the group in what was said of it: three numbers of four bytes, two of any size."""
    size = int.from_bytes(payload[12:16], "big")
    prime, generator = payload[16 : 16 + size], payload[16 + size + 4 :]
    return Group(int.from_bytes(prime, "big"), int.from_bytes(generator, "big"))


# The methods.


@pytest.mark.parametrize("name", METHODS)
def test_agree(name):
    """Both sides come to one secret, which no other run has."""
    secrets = set()
    for _ in range(2):
        client, server = start(name), start(name)
        share, secret = server.answer(client.begin())
        assert client.finish(share) == secret
        secrets.add(secret)
    assert len(secrets) == 2


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording["method"])
def test_recorded(recording):
    """Shares and private keys of exchanges that other clients took part in give their hash."""
    name = recording["method"].encode("ascii")
    method = METHODS[name]
    private = [bytes.fromhex(key) for key in recording["private"]]
    said = bytes.fromhex(recording["group"])
    ours, theirs = (bytes.fromhex(share) for share in recording["shares"])
    number = int.from_bytes(private[0], "big")
    if name == b"mlkem768x25519-sha256":
        secret = hybrid(*private).finish(theirs)
    else:
        if name in CURVES:
            agreement = nist(name, number)
        elif name == b"curve25519-sha256":
            agreement = x25519(private[0])
        else:
            agreement = finiteField(groupSent(said) if said else GROUPS[name], number)
        share, secret = agreement.answer(ours)
        assert share == theirs
    versions = [NS(version.encode("ascii")) for version in recording["versions"]]
    offers = [NS(bytes.fromhex(offer)) for offer in recording["offers"]]
    hostKey = NS(bytes.fromhex(recording["hostKey"]))
    fields = [*versions, *offers, hostKey, said, NS(ours), NS(theirs), NS(secret)]
    assert exchangeHash(method, *fields).hex() == recording["hash"]


def test_all_recorded():
    """Each method has a recording; of two names for one method, the first."""
    recorded = {recording["method"].encode("ascii") for recording in RECORDINGS}
    assert recorded == METHODS.keys() - {b"curve25519-sha256@libssh.org"}


# X25519.


def test_x25519():
    """The keys of RFC 7748, section 6.1, give its secret; as a number, it has no sign."""
    alice = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    fromAlice = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    fromBob = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    secret = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    assert x25519(alice).begin().hex() == fromAlice
    share, ofBob = x25519(bob).answer(bytes.fromhex(fromAlice))
    assert share.hex() == fromBob
    assert ofBob == x25519(alice).finish(share) == secret


@pytest.mark.parametrize("sign", [0, 1 << 255])
@pytest.mark.parametrize("number", LOW_ORDER)
def test_low_order(number, sign):
    """A point of low order, whose secret would be zero, is refused; its last bit is ignored."""
    point = (number | sign).to_bytes(32, "little")
    for agreement in (Curve25519().finish, Curve25519().answer):
        with pytest.raises(KeyExchangeError, match="X25519"):
            agreement(point)
    key = mlkem.MLKEM768PrivateKey.generate().public_key()
    with pytest.raises(KeyExchangeError, match="X25519"):
        Hybrid().answer(key.public_bytes_raw() + point)
    client = Hybrid()
    client.begin()
    with pytest.raises(KeyExchangeError, match="X25519"):
        client.finish(key.encapsulate()[1] + point)


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_x25519_length(size):
    """An X25519 share has 32 bytes."""
    with pytest.raises(KeyExchangeError, match="X25519"):
        Curve25519().answer(b"\x09" * size)


# NIST's curves.


@pytest.mark.parametrize(
    ("name", "one", "other", "secret"),
    [
        (
            b"ecdh-sha2-nistp256",
            "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
            "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
            "00d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
        ),
        (
            b"ecdh-sha2-nistp384",
            "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655"
            "e35b538041e649ee3faef896783ab194",
            "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942"
            "e0308312916b8ed2960e4bd55a7448fc",
            "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4"
            "d603135569b9e9d09cf5d4a270f59746",
        ),
        (
            b"ecdh-sha2-nistp521",
            "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a0"
            "95aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d4a52",
            "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e"
            "9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb151685eb9",
            "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04"
            "d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3ddea",
        ),
    ],
)
def test_nist(name, one, other, secret):
    """The keys of RFC 5903, section 8, give its secrets, as numbers that have no sign."""
    client = nist(name, int(one, 16))
    share, ofOther = nist(name, int(other, 16)).answer(client.begin())
    assert ofOther.hex() == client.finish(share).hex() == secret


@pytest.mark.parametrize("name", CURVES)
def test_bad_points(name):
    """What is no point, or is none in its plain form, is refused."""
    point = start(name).begin()
    size = len(point) // 2
    x, y = point[1 : 1 + size], point[1 + size :]
    offCurve = b"\x04" + x + bytes([*y[:-1], y[-1] ^ 1])
    tooLarge = b"\x04" + b"\xff" * 2 * size
    infinity = [b"\0", b"\0" + bytes(2 * size), b"\x04" + bytes(2 * size)]
    compressed = [b"\x02" + x, b"\x03" + x]
    mixed = [bytes([form]) + x + y for form in (6, 7)]
    wrongLength = [b"", b"\x04", point[:-1], point + b"\0"]
    other = start(b"ecdh-sha2-nistp384" if size == 32 else b"ecdh-sha2-nistp256").begin()
    wrong = [offCurve, tooLarge, *infinity, *compressed, *mixed, *wrongLength, other]
    for share in wrong:
        with pytest.raises(KeyExchangeError, match="point"):
            start(name).answer(share)


# Diffie-Hellman.


def test_diffie_hellman():
    """Shares and secrets are powers, as numbers without a sign or a byte too many."""
    where = group(2048)
    client, server = finiteField(where, 2**250 + 1), finiteField(where, 2**250 + 12345)
    share, secret = server.answer(client.begin())
    assert int.from_bytes(client.begin(), "big") == pow(2, 2**250 + 1, where.prime)
    assert int.from_bytes(share, "big") == pow(2, 2**250 + 12345, where.prime)
    expected = pow(2, (2**250 + 1) * (2**250 + 12345), where.prime)
    assert int.from_bytes(secret, "big") == expected
    assert {len(share), len(secret)} <= {256, 257}


def test_short_secret():
    """A secret whose first bytes are zero is hashed without them."""
    where = group(2048)
    one = next(n for n in range(3000, 9999) if pow(2, n, where.prime).bit_length() < 2040)
    client = finiteField(where, 1)
    assert len(finiteField(where, one).finish(client.begin())) < 256


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_bad_numbers(bits):
    """A share is a number from 2 to p - 2 (RFC 4253, section 8), in as few bytes as it takes."""
    prime = group(bits).prime
    outside = [0, 1, prime - 1, prime, prime + 1, 2 * prime + 2, 2**bits, 1 << 16 * bits]
    negative = [b"\xff", b"\x80", b"\xfe", (-5).to_bytes(bits // 8, "big", signed=True)]
    notMinimal = [b"\0\x02", b"\0" + mpint(prime - 2), bytes(1), bytes(bits // 8), b"\xff\xff"]
    noSign = (prime - 2).to_bytes(bits // 8, "big")
    for share in [*map(mpint, outside), *negative, *notMinimal, noSign]:
        with pytest.raises(KeyExchangeError, match="Diffie-Hellman"):
            DiffieHellman(group(bits)).answer(share)
    for share in (2, 3, prime - 2):
        DiffieHellman(group(bits)).answer(mpint(share))


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_groups(bits):
    """The primes are RFC 3526's, as asyncssh has copied them."""
    from asyncssh import kex_dh

    number = {2048: 14, 3072: 15, 4096: 16}[bits]
    assert group(bits) == Group(getattr(kex_dh, f"_group{number}_p"), GENERATOR)


def test_safe_prime():
    """Group 14's prime is one, and half of it too."""
    prime = group(2048).prime
    assert isPrime(prime)
    assert isPrime(prime // 2)
    assert not isPrime(prime - 2)


def isPrime(number):
    """Whether a number is a prime, by Miller's and Rabin's test to a few bases."""
    twos = ((number - 1) & -(number - 1)).bit_length() - 1
    for base in (2, 3, 5, 7):
        power = pow(base, (number - 1) >> twos, number)
        powers = [power] + [power := power * power % number for _ in range(twos - 1)]
        if powers[0] != 1 and number - 1 not in powers:
            return False
    return True


@pytest.mark.parametrize(
    ("asked", "bits"),
    [
        ((2048, 3072, 8192), 3072),  # OpenSSH, for a key of 128 bits
        ((2048, 7680, 8192), 4096),
        ((2048, 8192, 8192), 4096),  # for one of 256
        ((1024, 2048, 8192), 3072),  # better than was wanted
        ((3072, 3072, 3072), 3072),
        ((3073, 3073, 8192), 4096),
        ((2048, 4096, 4095), None),
        ((2048, 3073, 4095), 3072),
        ((0, 0, 2**32 - 1), 3072),
        ((1024, 2048, 2048), None),
        ((4097, 8192, 8192), None),
        ((8192, 3072, 2048), None),
        ((3072, 2048, 8192), None),
    ],
)
def test_choose(asked, bits):
    """The group is the smallest that is large enough, else the largest that may be."""
    assert choose(*asked) == (None if bits is None else group(bits))


def test_check_group():
    """A client takes groups of the size that it has asked for, and none that is plainly bad."""
    for bits in (2048, 3072, 4096):
        prime = group(bits).prime
        for generator in (2, 5, prime - 2):
            assert checkGroup(prime, generator, 2048) == Group(prime, generator)
        for generator in (-2, 0, 1, prime - 1, prime, prime + 2):
            with pytest.raises(KeyExchangeError, match="generator"):
                checkGroup(prime, generator, 2048)
        for bad in (prime - 1, prime + 1):
            with pytest.raises(KeyExchangeError, match="group"):
                checkGroup(bad, 2, 2048)
    for size in (1, 1024, 2047, 8193, 100_000):
        with pytest.raises(KeyExchangeError, match="group"):
            checkGroup(2**size - 1, 2, 2048)
    for negative in (-group(2048).prime, -1):
        with pytest.raises(KeyExchangeError):
            checkGroup(negative, 2, 2048)
    with pytest.raises(KeyExchangeError, match="group"):
        checkGroup(group(2048).prime, 2, 3072)


def test_foreign_group():
    """In a group that OpenSSL does not know, shares and secrets are what OpenSSL makes of them."""
    where = group(2048)
    server, client = DiffieHellman(where), ForeignDiffieHellman(where)
    share, secret = server.answer(client.begin())
    assert client.finish(share) == secret
    for known in (Group(where.prime, 5), Group(2 * where.prime + 1, 2)):
        assert isinstance(
            METHODS[b"diffie-hellman-group-exchange-sha256"].start(known), ForeignDiffieHellman
        )
    for bad in (0, 1, where.prime - 1, where.prime):
        with pytest.raises(KeyExchangeError, match="Diffie-Hellman"):
            client.finish(mpint(bad))


# ML-KEM.

SEED = bytes.fromhex(
    "cbfc4405d1b2a3a386c94c25e0f2d5f5ee92cb0388ff4d6aa04223086d51c3fd"
    "24752da14c9fc3b8ae0d9e4a8b1016b8d8fc69e229c03ea2ef08a4ae0cffc37f"
)
"""Of a key in C2SP's collection, CCTV (ML-KEM/strcmp), and the SHA-256 of its public half."""
PUBLIC = "67fe2cb60768d55758c67bfd5842692dedb14513d581c48db2cd3adf94568106"
ALICE = bytes(range(32))


def test_mlkem_key():
    """The client's share is the key that a seed is known to give, and its point behind it."""
    share = Hybrid().begin()
    assert len(share) == 1184 + 32
    key = mlkem.MLKEM768PrivateKey.from_seed_bytes(SEED).public_key().public_bytes_raw()
    assert hashlib.sha256(key).hexdigest() == PUBLIC


def test_combination():
    """The secret is the hash of ML-KEM's before X25519's (draft-ietf-sshm-mlkem-hybrid-kex, 2.4).

    A ciphertext that nobody made for the key gives what only its holder can know: the hash of
    the seed's second half and the ciphertext (FIPS 203, algorithm 18).
    """
    ciphertext = bytes(1088)
    server = X25519PrivateKey.generate()
    ofKEM = hashlib.shake_256(SEED[32:] + ciphertext).digest(32)
    ofCurve = server.exchange(X25519PrivateKey.from_private_bytes(ALICE).public_key())
    share = ciphertext + server.public_key().public_bytes_raw()
    assert hybrid(SEED, ALICE).finish(share) == hashlib.sha256(ofKEM + ofCurve).digest()


def test_bad_hybrid_shares():
    """Shares of another length are refused, and a key whose numbers are too large."""
    client = Hybrid()
    share = client.begin()
    answer, _ = Hybrid().answer(share)
    assert len(answer) == 1088 + 32
    for wrong in (b"", share[:-1], share + b"\0", share[:1184], share[-32:], answer):
        with pytest.raises(KeyExchangeError, match="length"):
            Hybrid().answer(wrong)
    for wrong in (b"", answer[:-1], answer + b"\0", answer[:1088], answer[-32:], share):
        with pytest.raises(KeyExchangeError, match="length"):
            client.finish(wrong)
    # Each number has 12 bits and is under 3329 (FIPS 203, section 7.2); the first, and the last.
    for wrong in (b"\x01\x0d" + share[2:], share[:1150] + b"\x1f\xd0" + share[1152:]):
        with pytest.raises(KeyExchangeError, match="ML-KEM"):
            Hybrid().answer(wrong)


# What is hashed, and the keys.


@pytest.mark.parametrize(
    ("number", "content"),
    [(0, ""), (1, "01"), (0x7F, "7f"), (0x80, "0080"), (0x9A378F9B2E332A7, "09a378f9b2e332a7")],
)
def test_mpint(number, content):
    """A number takes as few bytes as show that it has no sign (RFC 4251, section 5)."""
    assert mpint(number).hex() == content


@pytest.mark.parametrize("name", METHODS)
def test_derive(name):
    """A key longer than a digest goes on with digests of all that is there so far."""
    method = METHODS[name]
    secret, hashed, sessionID = b"\0\x80secret", b"H" * 32, b"S" * 32
    first = method.hash(NS(secret) + hashed + b"C" + sessionID).digest()
    second = method.hash(NS(secret) + hashed + first).digest()
    third = method.hash(NS(secret) + hashed + first + second).digest()
    whole = first + second + third
    for size in (0, 1, len(first) - 1, len(first), len(first) + 1, 2 * len(first), len(whole)):
        assert deriveKey(method, secret, hashed, b"C", sessionID, size) == whole[:size]


def test_hashes():
    """Each method hashes with what its name, or its standard, says."""
    sizes = {name: method.hash(b"").digest_size for name, method in METHODS.items()}
    larger = {b"diffie-hellman-group16-sha512": 64, b"ecdh-sha2-nistp521": 64}
    assert sizes == dict.fromkeys(METHODS, 32) | {b"ecdh-sha2-nistp384": 48} | larger


# Anything.

SIZES = {b"curve25519-sha256": (32, 32), b"mlkem768x25519-sha256": (1216, 1120)}
SIZES |= {name: (len(start(name).begin()),) * 2 for name in CURVES}


@pytest.mark.parametrize("name", [*SIZES, b"diffie-hellman-group14-sha256"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_anything(name, data):
    """Whatever a share is, it gives a secret or is refused."""
    client, server = start(name), start(name)
    client.begin()
    for take, size in zip((server.answer, client.finish), SIZES.get(name, (257, 257)), strict=True):
        anything = st.binary(max_size=2 * size) | st.binary(min_size=size, max_size=size)
        uncompressed = st.binary(min_size=size - 1, max_size=size - 1).map(b"\x04".__add__)
        try:
            assert take(data.draw(anything | uncompressed))
        except KeyExchangeError as error:
            str(error).encode("ascii")


@settings(max_examples=30, deadline=None)
@given(st.integers(2**2047, 2**2048).map(lambda n: n | 1), st.integers(2, 2**2047 - 2))
def test_any_group(prime, generator):
    """Whatever a server says is a group, it gives a secret or is refused."""
    try:
        method = METHODS[b"diffie-hellman-group-exchange-sha256"]
        client = method.start(checkGroup(prime, generator, 2048))
        client.begin()
        assert client.finish(mpint(3))
    except KeyExchangeError:
        pass

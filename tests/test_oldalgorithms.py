"""What SSH once was protected with: known answers, and an inventory that is right."""

import hmac
import random
import subprocess
import sys
from dataclasses import replace

import pytest
from attacking.client import Client
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from helpers import inline
from sshpair import USERAUTH_FAILURE, USERAUTH_SUCCESS, Channel, Pair
from test_protection import KEYS, framed, fresh, goesRound, seal, unchanged, unseal
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.cred.credentials import ISSHPrivateKey
from vectors import CBC, CBC_IV, CTR_PLAIN, OLD_HMAC, TRIPLE_DES

from sshecho.cred import signature
from sshecho.cred.keyfiles import KeyFilesChecker
from sshecho.ssh import algorithms
from sshecho.ssh.algorithms import HOST_SIGNATURES, MODERN, POLICIES
from sshecho.ssh.packets import compression, keyexchange, protection
from sshecho.ssh.packets.groups import GENERATOR, Group, choose
from sshecho.ssh.packets.keyexchange import KeyExchangeError, mpint
from sshecho.ssh.packets.protection import EncryptAndMac, EncryptThenMac, counter
from sshecho.testing import oldalgorithms
from sshecho.testing.algorithms import ALGORITHMS
from sshecho.testing.oldalgorithms import CIPHERS, MACS, METHODS

x = bytes.fromhex
RSA, ED25519 = b"ssh-rsa", b"ssh-ed25519"
HOST = Key(ed25519.Ed25519PrivateKey.generate())
RSA_KEY = Key(rsa.generate_private_key(65537, 2048))
ALL_MACS = [*MACS, *protection.MACS]
SUITES = [
    pytest.param(cipher, mac, id=f"{cipher.decode()}+{mac.decode()}")
    for cipher, macs in [*((cipher, ALL_MACS) for cipher in CIPHERS), (b"aes128-ctr", MACS)]
    for mac in macs
]
NOISE = random.Random(2).randbytes(70_000)


@pytest.fixture
def learnt():
    """Let the process know the old algorithms until the end of the test."""
    tables = (
        *(keyexchange.METHODS, protection.CIPHERS, protection.MACS),
        *(algorithms.USER_SIGNATURES, algorithms.USER_ALGORITHMS, signature.RSA_HASHES),
    )
    before = [dict(table) for table in tables]
    oldalgorithms.learn()
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


# The inventory.


def names(kind):
    return [name.encode("ascii") for name in ALGORITHMS[kind]]


def test_inventory(learnt):
    """It names all that there is, each once, and nothing else."""
    assert set(ALGORITHMS) == {
        *("kex", "ciphers", "macs", "host_keys", "public_keys", "compression")
    }
    assert all(len(set(each)) == len(each) for each in ALGORITHMS.values())
    hybrid = {b"mlkem768x25519-sha256"}  # which not every cryptography has
    assert {*names("kex")} | hybrid == keyexchange.METHODS.keys() | hybrid
    assert {*names("ciphers")} == protection.CIPHERS.keys()
    assert {*names("macs")} == protection.MACS.keys()
    assert {*names("compression")} == {compression.NONE, compression.ZLIB, compression.DELAYED}
    curves = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
    keys = [HOST, RSA_KEY, *(Key(ec.generate_private_key(curve)) for curve in curves)]
    can = {name for key in keys for name in key.supportedSignatureAlgorithms()}
    assert {*names("host_keys")} == can == {*HOST_SIGNATURES, RSA}


def test_best_first(learnt):
    """What is old comes last, in the order in which it is kept with the packets."""
    for kind, old in [("kex", METHODS), ("ciphers", CIPHERS), ("macs", MACS)]:
        inOrder = [name for name in names(kind) if name in old]
        assert inOrder == list(old)
        best = POLICIES["compatible"]
        offered = {"kex": best.keyExchanges, "ciphers": best.ciphers, "macs": best.macs}[kind]
        assert [name for name in names(kind) if name in offered] == list(offered)
        assert names(kind)[0] not in old


def test_plain_data():
    """The inventory is read without Twisted and cryptography."""
    script = (
        "import sys, sshecho.testing.algorithms\n"
        "print([name for name in sys.modules if name.startswith(('twisted', 'cryptography'))])"
    )
    assert subprocess.check_output([sys.executable, "-c", script]) == b"[]\n"


def test_never_offered(learnt):
    """No policy of ours names any of it, whether it has been learnt or not."""
    old = {*METHODS, *CIPHERS, *MACS, RSA}
    for policy in POLICIES.values():
        offered = (policy.keyExchanges, policy.ciphers, policy.macs, policy.hostSignatures)
        assert not old & {name for each in offered for name in each}
        offer = Pair([RSA_KEY], policy=policy).server._offer
        said = (offer.keyExchanges, offer.hostKeys, *offer.ciphers, *offer.macs)
        assert not old & {name for each in said for name in each}


def test_not_known_before():
    """Nothing of it is known to a process that has not learnt it."""
    assert not METHODS.keys() & keyexchange.METHODS.keys()
    assert not CIPHERS.keys() & protection.CIPHERS.keys()
    assert not MACS.keys() & protection.MACS.keys()
    assert RSA not in {*algorithms.USER_SIGNATURES, *algorithms.USER_ALGORITHMS}
    assert RSA not in signature.RSA_HASHES


# Ciphers.


@pytest.mark.parametrize("scheme", [EncryptThenMac, EncryptAndMac])
@pytest.mark.parametrize(("key", "sealed"), CBC)
def test_cbc(scheme, key, sealed):
    """AES in CBC encrypts as in SP 800-38A, F.2, and chains over the packets."""
    cipher = f"aes{len(x(key)) * 8}-cbc".encode()
    start = CIPHERS[cipher].crypt
    sealing = scheme(start(x(key), CBC_IV), bytes(20), "sha1")
    opening = scheme(start(x(key), CBC_IV), bytes(20), "sha1")
    clear = 4 - sealing.counted
    packets = []
    for sequence, plain in enumerate((CTR_PLAIN[:16], CTR_PLAIN[16:])):
        packet = bytes(clear) + plain
        packets.append(seal(sealing, sequence, packet[:4], packet[4:]))
        assert unseal(opening, sequence, packets[-1])[1] == packet[4:]
    assert b"".join(packet[clear:-20] for packet in packets).hex() == sealed


def test_triple_des():
    """Three DES encrypt as in SP 800-67's example, each block with the one before it."""
    key, blocks = TRIPLE_DES
    before, plain = bytes(8), b""
    for block, sealed in blocks:
        plain += bytes(a ^ b for a, b in zip(x(block), before, strict=True))
        before = x(sealed)
    crypt = CIPHERS[b"3des-cbc"].crypt(x(key), bytes(8))
    assert crypt.block == 8
    assert crypt.encrypt(plain).hex() == "".join(sealed for _, sealed in blocks)
    assert crypt.decrypt(x("".join(sealed for _, sealed in blocks))) == plain


@pytest.mark.parametrize(("cipher", "mac"), SUITES)
def test_round_trip(learnt, cipher, mac):
    """What was sealed is opened, packet after packet, of any size, whatever its number."""
    goesRound(cipher, mac, [*range(12, 100, 7), 34900, 12])


@pytest.mark.parametrize(("cipher", "mac"), SUITES)
def test_changed(learnt, cipher, mac):
    """A packet of which any bit was changed is refused."""
    unchanged(cipher, mac)


@pytest.mark.parametrize(
    ("cipher", "key", "iv"),
    [("aes128-cbc", 16, 16), ("aes192-cbc", 24, 16), ("aes256-cbc", 32, 16), ("3des-cbc", 24, 8)],
)
def test_key_material(learnt, cipher, key, iv):
    """A cipher takes as much key material as it needs, and its MAC a digest's size."""
    taken = {}
    derive = lambda kind, size: taken.setdefault(kind, bytes(range(size)))  # noqa: E731
    for mac, size in [(b"hmac-sha1-96", 20), (b"hmac-md5-96-etm@openssh.com", 16)]:
        protection.protect(cipher.encode(), mac, derive)
        assert taken == {
            "key": bytes(range(key)),
            "iv": bytes(range(iv)),
            "mac": bytes(range(size)),
        }
        taken.clear()


# MACs.


@pytest.mark.parametrize(("digest", "key", "mac"), OLD_HMAC)
def test_hmac(digest, key, mac):
    """The MACs are RFC 2202's (case 1), or as much of them as 12 bytes."""
    kinds = {name: kind for name, kind in MACS.items() if kind.digest == digest}
    assert len(kinds) == 4
    for name, kind in kinds.items():
        sealing = kind.protection(counter(bytes(16), bytes(16)), x(key), digest)
        tag = sealing.seal(int.from_bytes(b"Hi T", "big"), b"here", b"")[1].hex()
        assert tag == (mac[:24] if b"-96" in name else mac)


@pytest.mark.parametrize("name", MACS)
def test_what_is_authenticated(learnt, name):
    """The MAC is of what was encrypted if its name says so, and else of what was not yet."""
    sealing = fresh(b"3des-cbc", name)
    length, body = framed(sealing, 40)
    packet = seal(sealing, 5, length, body)
    covered = packet[: -sealing.tag] if b"-etm@" in name else length + body
    digest, size = MACS[name].digest, {"sha1": 20, "md5": 16}[MACS[name].digest]
    whole = hmac.digest(KEYS["mac"][:size], b"\0\0\0\5" + covered, digest)
    assert packet[-sealing.tag :] == (whole[:12] if b"-96" in name else whole)


# Methods of key exchange.


def test_groups():
    """The primes are RFC 2409's and RFC 3526's, as asyncssh has copied them."""
    from asyncssh import kex_dh

    first, last = (
        METHODS[b"diffie-hellman-" + name].start() for name in (b"group1-sha1", b"group18-sha512")
    )
    assert first._group == Group(kex_dh._group1_p, GENERATOR)
    assert (last._numbers.p, last._numbers.g) == (kex_dh._group18_p, GENERATOR)


@pytest.mark.parametrize("name", METHODS)
def test_agree(name):
    """Both sides come to one secret, and a share that can't be is refused."""
    where = choose(1024, 1024, 8192) if METHODS[name].groupExchange else None
    arguments = [] if where is None else [where]
    client, server = (METHODS[name].start(*arguments) for _ in range(2))
    share, secret = server.answer(client.begin())
    assert client.finish(share) == secret
    for bad in (b"", b"\1", b"\xff", mpint(1 << 9000)):
        with pytest.raises(KeyExchangeError):
            server.answer(bad)


def test_hashes():
    """Each method hashes with what its name says."""
    sizes = {name: method.hash(b"").digest_size for name, method in METHODS.items()}
    assert sizes == {name: 64 if name.endswith(b"sha512") else 20 for name in METHODS}


# Connections.


def joined(policy, checkers=None, hosts=(HOST,)):
    """Return a server of a policy, and a client that offers the same."""

    class Same(Client):
        supportedKeyExchanges = policy.keyExchanges
        supportedCiphers = policy.ciphers
        supportedMACs = policy.macs
        supportedPublicKeys = policy.hostSignatures

    return Pair(hosts, checkers, policy=policy, client=Same)


def echoes(pair):
    """Have a session, and change the keys in the middle of it."""
    channel = Channel(pair)
    channel.request(b"shell")
    channel.take()
    exchanges = pair.client.exchanges
    for at in range(0, len(NOISE), 10_000):
        if at == 30_000:
            pair.server.rekey()
        channel.data(NOISE[at : at + 10_000])
    pair.flush()
    assert channel.takeData() == NOISE
    assert pair.client.exchanges == exchanges + 1


@pytest.mark.parametrize("name", METHODS)
def test_exchange(learnt, name):
    """Both sides exchange keys, and change them."""
    pair = joined(replace(MODERN, keyExchanges=(name,)))
    assert pair.server.kexAlg == pair.client.kexAlg == name
    echoes(pair.login())


@pytest.mark.parametrize(("cipher", "mac"), SUITES)
def test_connection(learnt, cipher, mac):
    """What is sent comes back, under new keys too."""
    pair = joined(replace(MODERN, ciphers=(cipher,), macs=(mac,)))
    way = pair.server.agreed.toClient
    assert (way.cipher, way.mac) == (cipher, mac)
    echoes(pair.login())


def test_small_group_is_not_exchanged(learnt):
    """A server still sends no group that is smaller than ours, whoever asks for it."""
    assert choose(1024, 1024, 2048) is None


def test_host_signature(learnt):
    """An RSA host key signs with SHA-1 where a policy says so, and only there."""
    policy = replace(MODERN, hostSignatures=(RSA,))
    pair = joined(policy, hosts=[RSA_KEY, HOST])
    assert pair.server._offer.hostKeys == (RSA,)
    assert pair.client.keyAlg == pair.server.keyAlg == RSA
    assert pair.client.hostKey == RSA_KEY.public().blob()
    echoes(pair.login())


@pytest.fixture
def users(write):
    """Return a portal's checkers that know an RSA key."""
    path = write("keys", RSA_KEY.public().toString("OPENSSH"))
    return {ISSHPrivateKey: [KeyFilesChecker(str(path), b"user", inline)]}


def test_user_signature(learnt, users):
    """A user gets in with SHA-1, and is told before that this is taken."""
    pair = joined(MODERN, users)
    assert RSA in pair.client.peerExtensions[b"server-sig-algs"].split(b",")
    pair.requestUserAuth().key(b"user", RSA_KEY, RSA)
    assert pair.take() == [(USERAUTH_SUCCESS, b"")]


def test_wrong_user_signature(learnt, users):
    """Who signs something else does not get in, nor who calls one signature by another's name."""
    for algorithm, wrong in [(RSA, b"wrong"), (b"rsa-sha2-256", None)]:
        pair = joined(MODERN, users).requestUserAuth()
        blob = RSA_KEY.public().blob()
        head = NS(b"user") + NS(b"ssh-connection") + NS(b"publickey") + b"\1"
        head += NS(algorithm) + NS(blob)
        message = NS(pair.client.sessionID) + b"\x32" + (wrong or head)
        pair.send(50, head + NS(RSA_KEY.sign(message, RSA)))
        [(number, payload)] = pair.take()
        assert (number, getNS(payload)[0]) == (USERAUTH_FAILURE, b"publickey")


def test_user_signature_unknown(users):
    """Without that a process has learnt it, nobody gets in with SHA-1."""
    pair = joined(MODERN, users).requestUserAuth()
    assert RSA not in pair.server.factory.extensions[b"server-sig-algs"].split(b",")
    pair.key(b"user", RSA_KEY, RSA)
    assert pair.take()[0][0] == USERAUTH_FAILURE
    pair.key(b"user", RSA_KEY, b"rsa-sha2-256")
    assert pair.take() == [(USERAUTH_SUCCESS, b"")]

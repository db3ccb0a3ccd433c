"""What clients do well, for atheris to begin with, by the names of the targets."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key

from fuzzing.parsers import PARSERS
from fuzzing.script import Step, write
from fuzzing.targets import ADVANCE, ANSWER, DOING, DRAIN, END, FILL, KEY, REKEY, VERSION
from sshecho.ssh.algorithms import COMPATIBLE, HOST_SIGNATURES
from sshecho.ssh.packets import negotiation
from sshecho.telnet import DO, IAC, SB, SE, WILL

_KEXINIT, _NEWKEYS, _SHARE, _GROUP_SHARE, _GROUP = 20, 21, 30, 32, 34
_POINT = b"\x09" + bytes(31)
_SERVICE: Step = 5, NS(b"ssh-userauth")
_NUMBERS = struct.pack(">3L", 7, 1 << 20, 1 << 15)
_OPEN: Step = 90, NS(b"session") + _NUMBERS


def seeds(name: str) -> Iterator[bytes]:
    """Return the cases to begin with."""
    return {
        "packets": _packets,
        "session": _sessions,
        "line": _lines,
        "client": _clients,
        "parsers": _parsers,
    }[name]()


def _offer(method: bytes) -> bytes:
    keyExchanges = (method, b"ext-info-c", negotiation.STRICT_CLIENT)
    ciphers, macs, none = (b"aes128-ctr",), (b"hmac-sha2-256",), (b"none",)
    pairs = (ciphers, ciphers), (macs, macs), (none, none)
    return negotiation.write(negotiation.Offer(keyExchanges, HOST_SIGNATURES, *pairs))


def _packets() -> Iterator[bytes]:
    yield b"\0" + write([(1, VERSION)])
    yield b"\0" + write([(1, VERSION[:4]), (1, VERSION[4:]), (1, bytes(40))])
    shares = [_POINT, bytes(1184) + _POINT, b"\x7f" * 256, b"\x7f" * 512]
    for method in COMPATIBLE.keyExchanges:
        for share in shares:
            steps = [(_KEXINIT, _offer(method)), (_SHARE, NS(share)), (_NEWKEYS, b"")]
            yield b"\1" + write(steps)
    group = struct.pack(">3L", 2048, 3072, 8192)
    begun = _KEXINIT, _offer(b"diffie-hellman-group-exchange-sha256")
    yield b"\1" + write([begun, (_GROUP, group), (_GROUP_SHARE, NS(shares[2]))])


def _request(method: bytes, data: bytes, user: bytes = b"user") -> Step:
    return 50, NS(user) + NS(b"ssh-connection") + NS(method) + data


def _signed() -> Step:
    head = _request(b"publickey", b"\1" + NS(b"ssh-ed25519") + NS(KEY.public().blob()))[1]
    return 50, head + NS(KEY.sign(NS(bytes(32)) + b"\x32" + head))


def _channel(number: int, *parts: bytes) -> Step:
    return number, bytes(4) + b"".join(parts)


def _asked(name: bytes, data: bytes = b"") -> Step:
    return _channel(98, NS(name), b"\1", data)


def _sessions() -> Iterator[bytes]:
    password = _request(b"password", b"\0" + NS(b"pass"))
    question = _request(b"keyboard-interactive", NS(b"") * 2)
    shown = _request(b"publickey", b"\0" + NS(b"ssh-ed25519") + NS(KEY.public().blob()))
    answer = 61, b"\0\0\0\1" + NS(b"pass")
    wrong = _request(b"password", b"\0" + NS(b"no"))
    later, answered = (DOING, bytes([ADVANCE, 0, 1])), (DOING, bytes([ANSWER]))
    for login in ([password], [question, answer], [shown, _signed()], [wrong, later, password]):
        yield b"\0" + write([_SERVICE, *login, _OPEN])
        yield b"\1" + write([_SERVICE, *login[:-1], answered, login[-1], answered, _OPEN])
    yield b"\0" + write([_SERVICE, _request(b"none", b"", b"anonymous"), _OPEN, _asked(b"shell")])
    begun = [_SERVICE, password, _OPEN]
    terminal = _asked(b"pty-req", NS(b"xterm") + struct.pack(">4L", 80, 24, 0, 0) + NS(b"\0"))
    size = _asked(b"window-change", struct.pack(">4L", 3, 2, 0, 0))
    said, end, close = _channel(94, NS(b"Hi\r\n")), _channel(96), _channel(97)
    more = _channel(93, struct.pack(">L", 1000))
    for steps in (
        [_asked(b"shell"), said, more, end, close],
        [terminal, _asked(b"shell"), said, size, _channel(94, NS(b"\x1b[A\x12i\x05\x15\x04"))],
        [_asked(b"env", NS(b"A") + NS(b"b")), _asked(b"exec", NS(b"date")), close],
        [(7, b"\0\0\0\1" + NS(b"a") + NS(b"b")), _asked(b"subsystem", NS(b"inspect"))],
        [terminal, _asked(b"shell"), _asked(b"signal", NS(b"INT")), _asked(b"break", bytes(4))],
        [_asked(b"shell"), _channel(95, b"\0\0\0\1", NS(b"x")), (80, NS(b"a") + b"\1")],
        [_asked(b"shell"), (DOING, bytes([FILL])), said, (DOING, bytes([DRAIN])), said],
        [_asked(b"shell"), (DOING, bytes([REKEY])), said, (_KEXINIT, _offer(b"curve25519-sha256"))],
        [_asked(b"shell"), (DOING, bytes([ADVANCE, 0, 60])), (82, b""), (1, bytes(12))],
    ):
        yield b"\0" + write([*begun, *steps])


def _lines() -> Iterator[bytes]:
    for slow in (b"\0", b"\1"):
        answered, end = (DOING, bytes([ANSWER])), (DOING, bytes([END]))
        yield slow + write([(1, b"user pass\r\n"), answered, (1, b"Hi\r\n"), end])
        yield slow + write([(1, b"anonymous\nHi"), end])
        yield slow + write([(1, b"user no\n"), answered, (DOING, bytes([ADVANCE, 0, 5]))])
        commands = bytes([IAC, DO, 1, IAC, WILL, 3, IAC, SB, 24, IAC, IAC, IAC, SE])
        said = b"\r\0" + commands + bytes([IAC, IAC])
        yield slow + write([(1, commands + b"user pass\r\n"), answered, (1, said)])


def _clients() -> Iterator[bytes]:
    blob = KEY.public().blob()
    for method in COMPATIBLE.keyExchanges:
        reply = NS(blob) + NS(_POINT) + NS(NS(b"ssh-ed25519") + NS(bytes(64)))
        yield write([(_KEXINIT, _offer(method)), (31, reply), (33, reply), (_NEWKEYS, b"")])


def _parsers() -> Iterator[bytes]:
    key = Key(Ed25519PrivateKey.from_private_bytes(bytes(32))).public()
    blob = key.blob()
    texts = [
        key.toString("OPENSSH"),
        b'from="192.0.2.0/24,!::1",command="a\\"b",expiry-time="20300101Z" '
        + key.toString("OPENSSH"),
        blob,
        NS(b"ssh-ed25519") + NS(bytes(64)),
        _signed()[1],
        _offer(b"curve25519-sha256")[16:],
        b"\1\0\0\0\3\0",
        bytes([IAC, DO, 1, IAC, SB, 1, IAC, SE, 13, 0]),
    ]
    for number in range(len(PARSERS)):
        for text in texts:
            yield bytes([number]) + text

"""A client's requests, data, EOF and close in any order."""

import struct

from cryptography.hazmat.primitives.asymmetric import ed25519
from helpers import logged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sshpair import CLOSE, DATA, EOF, EXTENDED_DATA, FAILURE, REQUEST, SUCCESS, Channel, Pair
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.logger import LogLevel

HOST_KEY = Key(ed25519.Ed25519PrivateKey.generate())
PAYLOADS = {
    b"shell": b"",
    b"exec": NS(b"command"),
    b"subsystem": NS(b"inspect"),
    b"pty-req": NS(b"xterm") + struct.pack(">4L", 80, 24, 0, 0) + NS(b"\0"),
    b"window-change": struct.pack(">4L", 10, 5, 0, 0),
    b"env": NS(b"NAME") + NS(b"value"),
    b"signal": NS(b"INT"),
    b"break": struct.pack(">L", 100),
    b"x11-req": b"\0",
    b"auth-agent-req@openssh.com": b"",
    b"unknown@example.com": b"",
}
STEPS = st.one_of(
    st.tuples(st.just(REQUEST), st.sampled_from(sorted(PAYLOADS)), st.booleans()),
    # A request that is cut short, or has more than it should.
    st.tuples(st.just("odd"), st.sampled_from(sorted(PAYLOADS)), st.binary(max_size=9)),
    st.tuples(st.just(REQUEST), st.just("lethal"), st.sampled_from([b"TERM", b"HUP", b"KILL"])),
    st.tuples(st.just(DATA), st.binary(max_size=50)),
    st.tuples(st.just(EXTENDED_DATA), st.binary(max_size=50)),
    st.tuples(st.just(EOF)),
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=12), st.sampled_from([0, 3, 1 << 20]))
def test_any_order(steps, window):
    """Each request is answered once and in turn, until the close; then the connection goes on."""
    pair = Pair([HOST_KEY]).login()
    channel = Channel(pair, window)
    with logged() as events:
        owed = 0
        served = pair.server.service.channels[channel.theirs]
        for step in steps:
            due = not served.localClosed
            match step:
                case (number, "lethal", name):
                    channel.request(b"signal", NS(name), reply=False)
                case ("odd", name, payload):
                    channel.request(name, payload)
                    owed += due
                case (number, name, reply):
                    channel.request(name, PAYLOADS[name], reply)
                    owed += reply and due
                case (number, data) if number == EXTENDED_DATA:
                    channel.send(number, struct.pack(">L", 1), NS(data))
                case (number, data):
                    channel.send(number, NS(data))
                case (number,):
                    channel.send(number)
        channel.send(CLOSE)
        packets = channel.take()
        numbers = [number for number, _ in packets]
        assert numbers.count(SUCCESS) + numbers.count(FAILURE) == owed
        assert numbers.count(CLOSE) == 1
        assert numbers[-1] == CLOSE
        assert numbers.count(EOF) <= 1
        sent = sum(len(getNS(payload)[0]) for number, payload in packets if number == DATA)
        assert sent <= window
        other = Channel(pair, mine=8).request(b"exec", NS(b"hi"))
        assert (DATA, NS(b"hi\n")) in other.take()
    assert [event for event in events if event["log_level"] >= LogLevel.warn] == []

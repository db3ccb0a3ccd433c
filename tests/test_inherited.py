"""Sockets that somebody else has opened."""

import os
import socket
import stat

import pytest
from twisted.internet import endpoints, reactor
from twisted.internet.protocol import Factory
from twisted.python.systemd import ListenFDs

from sshecho.service.doors import Door
from sshecho.service.start import StartError


@pytest.fixture
def handOver(monkeypatch):
    """Return a function that hands over a copy of a socket, as systemd does."""

    def hand(*sockets):
        descriptors = [os.dup(one.fileno()) for one in sockets]
        names = tuple(f"socket{number}" for number in range(len(sockets)))
        handed = ListenFDs(descriptors, names)
        monkeypatch.setattr(endpoints._SystemdParser, "_sddaemon", handed)
        return descriptors

    return hand


def door(description, loopbackOnly="") -> Door:
    return Door("line", description, Factory(), reactor, loopbackOnly=loopbackOnly)


@pytest.fixture
def held(private):
    """Return a function that opens a socket, which its holder keeps."""
    opened = []

    def hold(family=socket.AF_INET, address=("127.0.0.1", 0), listen=7):
        opened.append(socket.socket(family))
        opened[-1].bind(address)
        if listen is not None:
            opened[-1].listen(listen)
        return opened[-1]

    yield hold
    for one in opened:
        one.close()


def backlog(listener) -> int:
    """Return the backlog of a TCP socket (struct tcp_info: tcpi_sacked, of one that listens)."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int.from_bytes(info[28:32], "little")


@pytest.mark.parametrize("which", ["index=0", "name=socket0"])
@pytest.mark.parametrize("domain", ["INET", "INET6"])
def test_listens(held, handOver, which, domain):
    """It is listened at, by number or by name, at its own address and with its own backlog."""
    holder = held()
    [descriptor] = handOver(holder)
    one = door(f"systemd:domain={domain}:{which}")
    one.startService()
    assert str(one) == f"127.0.0.1:{holder.getsockname()[1]}"
    assert backlog(holder) == 7
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    one.stopService()


def test_the_holder_keeps_it(held, handOver):
    """Who comes when the server has gone waits for the next one."""
    holder = held()
    handOver(holder)
    one = door("systemd:domain=INET:index=0")
    one.startService()
    one.stopService()
    with socket.create_connection(holder.getsockname(), 10):
        holder.settimeout(10)
        holder.accept()[0].close()


def test_unix(private, held, handOver):
    """A UNIX socket keeps its mode, and its name when the server has gone."""
    path = private / "door"
    holder = held(socket.AF_UNIX, str(path))
    path.chmod(0o600)
    handOver(holder)
    one = door("systemd:domain=UNIX:index=0")
    one.startService()
    assert str(one) == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    one.stopService()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        holder.settimeout(10)
        holder.accept()[0].close()


@pytest.mark.parametrize("which", ["index=1", "name=x"])
def test_not_handed_over(held, handOver, which):
    """A socket that nobody handed over is said to be missing, in one line that says where."""
    handOver(held())
    with pytest.raises(StartError) as caught:
        door(f"systemd:domain=INET:{which}")
    assert caught.value.why.startswith(f"the line door at systemd:domain=INET:{which}: no such ")
    assert "LISTEN_FDS" in caught.value.why
    assert "\n" not in caught.value.why


def test_twice(held, handOver):
    """The same socket at two doors is refused."""
    handOver(held())
    first, second = (door("systemd:domain=INET:index=0") for _ in range(2))
    first.startService()
    with pytest.raises(StartError, match="index=0: Bad file descriptor"):
        second.startService()
    first.stopService()


def test_does_not_listen(held, handOver):
    """A socket of another kind is refused, and it is said what is missing."""
    handOver(held(listen=None))
    with pytest.raises(StartError, match=r"does not listen .*ListenStream="):
        door("systemd:domain=INET:index=0").startService()


def test_not_for_the_demonstration(held, handOver):
    """The demonstration login is not for a socket that somebody else may hold."""
    handOver(held())
    with pytest.raises(StartError, match="for loopback only"):
        door("systemd:domain=INET:index=0", loopbackOnly="for loopback only").startService()

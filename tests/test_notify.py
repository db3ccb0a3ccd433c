"""Telling systemd how it goes."""

import socket

import pytest
from helpers import logged
from twisted.internet.task import Clock

from sshecho.service.gate import Gate
from sshecho.service.house import House
from sshecho.service.limits import Limits
from sshecho.service.notify import READY, notify, status


@pytest.fixture(params=["{}/notify", "\0{}/notify"], ids=["path", "abstract"])
def told(request, private, monkeypatch):
    """Return a function that returns what was told, over a socket with a name of each kind."""
    name = request.param.format(private)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
        yield lambda: listener.recv(4096).decode().split("\n")


def test_notify(told):
    """All that is told at once comes in one datagram, a line each."""
    notify(READY, status("a\n b"))
    assert told() == ["READY=1", "STATUS=a b"]


def test_house(told):
    """A house tells when its doors are open, and when it begins to close, which may take long."""
    gate, order = Gate(Limits(), Clock()), []
    house = House([], gate, lambda doors: order.append("announced"))
    house.startService()
    gate.enter("line", None)
    assert order == ["announced"]
    assert told()[0] == "READY=1"
    house.stopService()
    assert told()[0] == "STOPPING=1"
    gate._finish()


@pytest.mark.parametrize("address", ["", None])
def test_nobody_asked(monkeypatch, address):
    """Where nobody wants to know, nothing is said."""
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    with logged() as events:
        notify(READY)
    assert events == []


@pytest.mark.parametrize("address", ["/nonexistent/x", "vsock:2:1", "/" + "x" * 200])
def test_nobody_there(monkeypatch, address):
    """An address that can't be told is said once a time, and the server goes on."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with logged() as events:
        notify(READY)
    [event] = events
    assert event["name"] == "NOTIFY_SOCKET"


def test_who_does_not_read(told):
    """Somebody who reads nothing does not hold up the server."""
    with logged() as events:
        for _ in range(1000):
            notify(READY)
    assert events

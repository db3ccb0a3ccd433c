"""The echo."""

from twisted.internet.testing import StringTransport

from sshecho.echo import Echo
from sshecho.session import Session


def run(command=None) -> tuple[Echo, StringTransport]:
    transport = StringTransport()
    transport.session = Session(user=b"user", door="test", peer="", command=command)
    echo = Echo()
    echo.makeConnection(transport)
    return echo, transport


def test_bytes():
    """What comes in goes out at once."""
    echo, transport = run()
    echo.dataReceived(b"\0\xff\r\n")
    assert transport.value() == b"\0\xff\r\n"


def test_paced():
    """The side that writes paces the side that reads."""
    _, transport = run()
    transport.producer.pauseProducing()
    assert transport.producerState == "paused"
    transport.producer.resumeProducing()
    assert transport.producerState == "producing"


def test_end():
    """At the end of the input it closes, and holds nothing up."""
    echo, transport = run()
    echo.readConnectionLost()
    assert transport.producer is None
    assert transport.disconnecting


def test_command():
    """A command is said instead, and a newline, and then it closes."""
    _, transport = run(b"hello world")
    assert transport.value() == b"hello world\n"
    assert transport.disconnecting

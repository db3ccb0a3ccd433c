"""The console."""

import io

from twisted.logger import Logger, LogPublisher

from sshecho.people import escape
from sshecho.service.console import Console


def logger(namespace):
    stream = io.StringIO()
    publisher = LogPublisher(Console(stream))
    return Logger(namespace, observer=publisher), stream


def test_for_people():
    """What is for people is shown with the time and nothing else."""
    log, stream = logger("sshecho")
    log.info("hello {who}", who="there")
    log.debug("not this")
    assert stream.getvalue()[8:] == " hello there\n"


def test_small_talk():
    """What others say is shown from a warning on, ours that stand on Conch's among them."""
    for namespace in ("twisted", "sshecho.ssh.connection.Connection"):
        log, stream = logger(namespace)
        log.info("channel open")
        log.warn("oh")
        assert stream.getvalue()[8:] == " warn: oh\n"


def test_traceback():
    """A failure is shown with its traceback."""
    log, stream = logger("sshecho.ssh")
    try:
        raise ZeroDivisionError("boom")
    except ZeroDivisionError:
        log.failure("it broke")
    assert "critical: it broke\nTraceback" in stream.getvalue()
    assert "ZeroDivisionError: boom" in stream.getvalue()


def test_escape():
    """Nothing that comes from the network can steer the terminal, or begin a line."""
    assert escape("a\x1b[2J\r\x07\x9b\u202e\u00fc\n") == "a\\x1b[2J\\r\\x07\\x9b\\u202e\u00fc\\n"


def test_stream_that_is_gone():
    """A terminal that is gone does not stop the server."""
    log, stream = logger("sshecho")
    stream.close()
    log.info("hello")

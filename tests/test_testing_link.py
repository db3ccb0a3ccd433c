"""The link of the tests to their server, over a socket pair whose other end is the test's."""

import json
import re
import socket
import threading
from types import MappingProxyType

import pytest

from sshecho.testing.errors import ServerError
from sshecho.testing.link import Calls, Link

PATIENCE = 60


@pytest.fixture
def pair():
    """A socket pair: the link's end, and the server's."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(PATIENCE)
    with ours, theirs:
        yield ours, theirs


class Responder:
    """Answers what comes at the server's end, in a thread.

    Args:
        end: the socket.
        answer: gets an order's number, its name and its arguments; returns what is sent.
    """

    def __init__(self, end, answer):
        self.asked = []
        self._end = end
        self._answer = answer
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        for line in self._end.makefile("rb"):
            self.asked.append(json.loads(line))
            sent = self._answer(*self.asked[-1])
            if sent is None:
                self._end.shutdown(socket.SHUT_RDWR)
                return
            self._end.sendall(sent)


def line(*message) -> bytes:
    return json.dumps(message).encode() + b"\n"


def test_asking(pair):
    """An order gets its answer, and takes whatever JSON has, mappings and sets too."""
    responder = Responder(pair[1], lambda number, name, arguments: line(number, True, arguments))
    link = Link(pair[0])
    arguments = {"text": "ü\ud800", "map": MappingProxyType({"a": (1, 2)}), "keys": {"b": 0}.keys()}
    told = {"text": "ü\ud800", "map": {"a": [1, 2]}, "keys": ["b"]}
    assert link.ask("order", **arguments) == told
    assert responder.asked == [[1, "order", told]]
    assert link.ask("again") == {}


def test_what_can_not_be_sent(pair):
    """What JSON does not have is an error that shows it, and the link goes on."""
    Responder(pair[1], lambda number, *_: line(number, True, "fine"))
    link = Link(pair[0])
    for value in (b"bytes", object, {"inside": [b"bytes"]}):
        with pytest.raises(TypeError, match="can't be sent to the server: give text, a number"):
            link.ask("order", value=value)
    assert link.ask("order") == "fine"


def test_refusals(pair):
    """What the server says is wrong is a ValueError."""
    Responder(pair[1], lambda number, *_: line(number, False, "not so"))
    with pytest.raises(ValueError, match="not so"):
        Link(pair[0]).ask("order")


def test_answers_in_pieces(pair):
    """An answer may come in pieces, behind that of an order which was broken off."""

    def answer(number, *_):
        return line(number - 1, True, "old") + line(number, True, "x" * 300_000)

    Responder(pair[1], answer)
    link = Link(pair[0])
    assert link.ask("order") == link.ask("order") == "x" * 300_000


def test_many_threads(pair):
    """Each thread gets the answer to its own order."""
    Responder(pair[1], lambda number, name, arguments: line(number, True, arguments["of"]))
    link = Link(pair[0])
    wrong = []

    def ask(number):
        for _ in range(50):
            if link.ask("order", of=number) != number:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert wrong == []


def test_server_that_is_gone(pair):
    """A server that has closed its end, be it in the middle of an answer, is gone."""
    link = Link(pair[0])
    Responder(pair[1], lambda *_: None)
    for _ in range(2):
        with pytest.raises(ServerError, match="the server is gone"):
            link.ask("order")


def test_server_that_is_gone_in_the_middle(pair):
    """Half an answer is none."""
    ours, theirs = pair
    theirs.sendall(b'[1, true, "hal')
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ServerError, match="the server is gone"):
        Link(ours).ask("order")


def test_server_that_does_not_answer(pair, monkeypatch):
    """A server that does not answer is waited for, but not for ever."""
    monkeypatch.setattr("sshecho.testing.link._PATIENCE", 0.01)
    link = Link(pair[0])
    with pytest.raises(ServerError, match=re.escape("the server does not answer within 0 s")):
        link.ask("order")


def test_closed_while_somebody_waits(pair):
    """Whoever waits for an answer when the link is closed is told that the server is gone."""
    ours, theirs = pair
    link = Link(ours)
    told = []

    def ask():
        try:
            link.ask("order")
        except ServerError as error:
            told.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    assert theirs.recv(1000).endswith(b"\n")
    link.close()
    thread.join(PATIENCE / 10)
    assert told == ["the server is gone"]


class Interrupted:
    """A socket whose sending is broken off by a ^C, halfway."""

    def __init__(self):
        self.closed = False

    def settimeout(self, seconds):
        pass

    def sendall(self, data):
        if self.closed:
            raise OSError
        raise KeyboardInterrupt

    def close(self):
        self.closed = True


def test_order_that_is_broken_off():
    """Behind half an order no other one is sent: it would be taken for the rest."""
    link = Link(Interrupted())
    with pytest.raises(KeyboardInterrupt):
        link.ask("order")
    with pytest.raises(ServerError, match="the server is gone"):
        link.ask("order")


def test_calls(pair):
    """A call is answered by the callable that has its number, with what that returns."""
    ours, theirs = pair
    calls = Calls(ours)
    first = calls.add(lambda session: {"said": session["command"]})
    second = calls.add(lambda session: None)
    assert first != second
    answers = theirs.makefile("rb")
    for call, called, answer in [
        (7, first, {"said": "x"}),
        (8, second, None),
        (9, 99, None),  # nobody's: it was forgotten
    ]:
        theirs.sendall(line(call, called, {"command": "x"}))
        assert json.loads(answers.readline()) == [call, True, answer]
    calls.clear()
    theirs.sendall(line(10, first, {"command": "x"}))
    assert json.loads(answers.readline()) == [10, True, None]
    calls.close()
    assert answers.read() == b""


def test_calls_at_once(pair):
    """Callables run side by side: one that waits keeps no other."""
    ours, theirs = pair
    calls = Calls(ours)
    may = threading.Event()
    slow = calls.add(lambda session: {"waited": may.wait(PATIENCE)})
    fast = calls.add(lambda session: {"waited": bool(may.set())})
    answers = theirs.makefile("rb")
    theirs.sendall(line(1, slow, {}) + line(2, fast, {}))
    got = sorted(json.loads(answers.readline()) for _ in range(2))
    assert got == [[1, True, {"waited": True}], [2, True, {"waited": False}]]
    calls.close()


def test_callable_that_raises(pair, capsys):
    """What a callable raises is told, and its traceback is there for the test's report."""
    ours, theirs = pair
    calls = Calls(ours)
    number = calls.add(lambda session: {}["nothing"])
    theirs.sendall(line(1, number, {}))
    why = "the callable that answers raised KeyError: 'nothing'"
    assert json.loads(theirs.makefile("rb").readline()) == [1, False, why]
    assert 'lambda session: {}["nothing"]' in capsys.readouterr().err
    calls.close()

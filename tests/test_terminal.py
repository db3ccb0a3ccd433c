"""The terminal, between a session with a PTY and its application."""

import re

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from sshecho.echo import Echo
from sshecho.session import ISessionTransport, Pty, Session
from sshecho.ssh.terminal import GREETING, TURN, Terminal


class Channel(StringTransport):
    """The transport of a session, which counts what goes out in one piece."""

    def __init__(self, command=None):
        super().__init__()
        self.session = Session(b"user", "ssh", "", pty=Pty(b"xterm", 80, 24), command=command)
        self.pieces = []
        self.full = False  # whether each write fills it

    def exit(self, status):
        self.status = status
        self.loseConnection()

    def write(self, data):
        self.pieces.append(data)
        super().write(data)
        if self.full:
            self.producer.pauseProducing()


PROMPT = b"\x1b[?2004h\r\x1b[J> "  # with the announcement that pasted text is to be marked


def run(application=None, command=None, clock=None, term=b"xterm") -> tuple[Terminal, Channel]:
    channel = Channel(command)
    channel.session.pty = Pty(term, 80, 24)
    channel.clock = clock or Clock()
    terminal = Terminal(application or Echo(), b"" if command else GREETING, channel.clock)
    terminal.makeConnection(channel)
    return terminal, channel


def test_greeting():
    """A session begins with the greeting and the prompt."""
    _, channel = run()
    assert channel.value().startswith(b"Login successful, please proceed.\r\n")
    assert channel.value().endswith(PROMPT)


def test_echo():
    """Each line comes back on a line of its own, all of a read in one piece."""
    terminal, channel = run()
    channel.clear()
    channel.pieces.clear()
    terminal.dataReceived("h\u00fc".encode()[:2])
    terminal.dataReceived("h\u00fc".encode()[2:] + b"\r")
    assert b"\r\nh\xc3\xbc\r\n" + PROMPT in channel.value()
    assert len(channel.pieces) == 2


def test_command():
    """A session with a command shows its output and nothing else, with a terminal's line ends."""
    _, channel = run(command=b"hello world")
    assert channel.value() == b"hello world\r\n"
    assert channel.disconnecting


def test_dumb_terminal():
    """A terminal that is said to be dumb gets no escape sequences."""
    terminal, channel = run(term=b"dumb")
    terminal.dataReceived(b"Hi\r")
    assert channel.value().endswith(b"proceed.\r\n> Hi\r\nHi\r\n> ")


def test_another_prompt():
    """An application may have another prompt shown, and what is typed not: a password."""
    terminal, channel = run(Protocol())
    terminal.setPrompt("Password: ", secret=True)
    assert channel.value().endswith(b"Password: ")
    channel.clear()
    terminal.dataReceived(b"secr\x7fret\r")
    terminal.setPrompt("> ")
    terminal.dataReceived(b"\x1b[Ax\r")  # the history has not kept it
    assert b"sec" not in channel.value()
    assert channel.value().count(b"> x") == 1


def test_command_that_goes_on():
    """A command has no prompt, be it that it takes its time, or reads what is typed."""
    terminal, channel = run(News(), command=b"cat")
    assert channel.value() == b""
    terminal.write(b"hello\n")
    assert channel.value() == b"hello\r\n"
    channel.clear()
    terminal.dataReceived(b"typed\r")
    assert re.sub(rb"\x1b\[\??\d*[a-zA-Z]|\r", b"", channel.value()) == b"typed\ngot typed\n"
    channel.clear()
    terminal.exit(0)
    assert channel.value() == b""


def test_prompt_for_the_next_line():
    """An application that says wait when it gets a line has its prompt when it says go on."""

    class Slow(Protocol):
        def dataReceived(self, data):
            self.transport.pauseProducing()

    terminal, channel = run(Slow())
    terminal.dataReceived(b"one\rtwo\r")
    channel.clear()
    terminal.write(b"first\n")
    assert channel.value() == b"first\r\n"
    terminal.resumeProducing()
    assert channel.value().startswith(b"first\r\n" + PROMPT + b"two")
    assert not channel.value().endswith(PROMPT)
    terminal.resumeProducing()
    assert channel.value().endswith(PROMPT)


def test_unfinished_line():
    """The prompt begins a line of its own, also behind output that does not end with one."""

    class Asking(Protocol):
        def connectionMade(self):
            self.transport.write(b"Your name?")
            self.transport.write(b"")

    terminal, channel = run(Asking())
    assert b"Your name?\r\n\x1b[?2004h\r\x1b[J> " in channel.value()
    channel.clear()
    terminal.write(b"Hurry")
    assert b"Hurry\r\n\x1b[?2004h\r\x1b[J> " in channel.value()


def test_end_of_input():
    """^D on an empty line, or the client's EOF, ends the session on a new line, once."""
    for end in (lambda t: t.dataReceived(b"\x04"), lambda t: t.readConnectionLost()):
        terminal, channel = run()
        end(terminal)
        assert channel.disconnecting
        assert channel.value().endswith(PROMPT + b"\x1b[?2004l\r\n")
        before = channel.value()
        terminal.dataReceived(b"more\r")
        end(terminal)
        assert channel.value() == before


class News(Protocol):
    """An application that speaks when it likes."""

    lost = 0

    def dataReceived(self, data):
        self.transport.writeSequence([b"got ", data])

    def connectionLost(self, reason):
        self.lost += 1


def test_news():
    """What an application says while a line is edited is shown above that line."""
    application = News()
    terminal, channel = run(application)
    verifyObject(ISessionTransport, terminal)
    terminal.dataReceived(b"half")
    channel.clear()
    application.transport.write(b"news\n")
    assert channel.value().startswith(b"\r\x1b[Jnews\r\n" + PROMPT + b"half")


def test_application_without_half_close():
    """An application that knows nothing of half closed connections is closed at the end."""
    application = News()
    terminal, channel = run(application)
    terminal.readConnectionLost()
    assert channel.disconnecting
    terminal.connectionLost(Failure(ConnectionDone()))
    assert application.lost == 1


def test_passed_on():
    """What the application asks of its transport, the session's answers."""
    application = News()
    _, channel = run(application)
    transport = application.transport
    assert transport.session is channel.session
    assert transport.getPeer() == channel.getPeer()
    assert transport.getHost() == channel.getHost()
    transport.registerProducer(transport, True)
    assert channel.producer is transport
    transport.pauseProducing()
    assert channel.producerState == "paused"
    transport.resumeProducing()
    assert channel.producerState == "producing"
    transport.unregisterProducer()
    assert channel.producer is None
    transport.stopProducing()
    assert channel.disconnecting


def test_what_is_typed_waits():
    """While the application is told to wait, lines that were typed already wait, in order."""
    terminal, channel = run()
    channel.clear()
    channel.producer.pauseProducing()
    terminal.dataReceived(b"one\rtwo\r")
    terminal.dataReceived(b"three\rfo")
    assert channel.value() == b""
    assert channel.producerState == "paused"
    channel.producer.resumeProducing()
    assert channel.producerState == "producing"
    echoed = re.findall(rb"(?<=\r\n)\w+(?=\r\n)", channel.value())
    assert echoed == [b"one", b"two", b"three"]
    assert channel.value().endswith(b"fo")


def test_interrupts_wait():
    """A read that gives up line after line is drawn no further than somebody reads."""
    terminal, channel = run()
    terminal.dataReceived(b"x" * 1000 + b"\r")
    channel.full = True
    channel.clear()
    terminal.dataReceived(b"\x10\x03" * 100)
    assert channel.value().count(b"^C") == 1
    channel.clear()
    channel.producer.resumeProducing()
    assert channel.value().count(b"^C") == 1


def test_interrupted_from_outside():
    """An interrupt gives up the line that is being edited, and no more than that."""
    application = Hesitant()
    terminal, channel = run(application)
    terminal.dataReceived(b"half\x1b[")
    channel.clear()
    terminal.interrupt()
    assert channel.value() == b"^C\x1b[?2004l\r\n" + PROMPT
    terminal.dataReceived(b"Done\r")
    assert application.lines == (b"Done\n",)


def test_interrupted_in_order():
    """An interrupt comes behind what was typed before it; while that waits, several are one."""
    application = Hesitant()
    terminal, channel = run(application)
    terminal.pauseProducing()
    terminal.dataReceived(b"one\rtwo")
    terminal.interrupt()
    terminal.interrupt()
    terminal.dataReceived(b"three\r")
    channel.clear()
    terminal.resumeProducing()
    assert application.lines == (b"one\n", b"three\n")
    assert channel.value().count(b"two^C") == channel.value().count(b"^C") == 1


def test_nothing_to_interrupt():
    """A session whose input has ended is not interrupted."""
    terminal, channel = run()
    terminal.readConnectionLost()
    before = channel.value()
    terminal.interrupt()
    assert channel.value() == before


class Turns:
    """A clock of which each look takes a while; the others' turn is over when the test says so."""

    def __init__(self, step=0.0):
        self.now = 0.0
        self.step = step
        self.waiting = []

    def seconds(self):
        self.now += self.step
        return self.now

    def callLater(self, delay, function):
        self.waiting.append(function)

    def over(self):
        waiting, self.waiting = self.waiting, []
        for function in waiting:
            function()


class Slow(Protocol):
    """An application that takes its time with each line."""

    lines = ()

    def __init__(self, clock):
        self.clock = clock

    def dataReceived(self, data):
        self.lines += (data,)
        self.clock.now += TURN


def slow() -> tuple[Slow, Terminal, Channel, Turns]:
    clock = Turns()
    application = Slow(clock)
    return application, *run(application, clock=clock), clock


def test_turns():
    """What is much work lets the others have their turn, and nothing of it is lost."""
    application, terminal, channel, clock = slow()
    terminal.dataReceived(b"one\rtwo\rth")
    assert application.lines == (b"one\n",)
    assert channel.producerState == "paused"
    terminal.dataReceived(b"ree\r")
    terminal.resumeProducing()
    assert application.lines == (b"one\n",)
    assert channel.producerState == "paused"
    clock.over()
    assert application.lines == (b"one\n", b"two\n")
    clock.over()
    assert application.lines == (b"one\n", b"two\n", b"three\n")
    clock.over()
    assert channel.producerState == "producing"


def test_keys_have_turns():
    """Keys that are much work are no less so without a line."""
    clock = Turns(TURN / 4)
    terminal, channel = run(clock=clock)
    terminal.dataReceived(b"\x1b[D" * 500 + b"end\r")
    assert b"end" not in channel.value()
    while channel.producerState == "paused":
        clock.over()
    assert b"end\r\n" in channel.value()


def test_broken_behind_a_turn():
    """An application that breaks after the others had their turn ends its session, as always."""

    class Breaking(Slow):
        def dataReceived(self, data):
            super().dataReceived(data)
            if data == b"boom\n":
                raise ZeroDivisionError

    clock = Turns()
    terminal, channel = run(Breaking(clock), clock=clock)
    terminal.dataReceived(b"one\rboom\rtwo\r")
    assert not channel.disconnecting
    clock.over()
    assert channel.disconnecting
    assert channel.status == 1


def test_gone_while_others_have_their_turn():
    """A session that ends meanwhile is over."""
    application, terminal, _, clock = slow()
    terminal.dataReceived(b"one\rtwo\r")
    terminal.connectionLost(Failure(ConnectionDone()))
    clock.over()
    assert application.lines == (b"one\n",)


def test_pasted_lines():
    """Lines that are pasted reach the application together, once Enter is pressed."""
    application = Hesitant()
    terminal, _ = run(application)
    terminal.dataReceived(b"\x1b[200~one\rtwo\x1b[201~")
    assert application.lines == ()
    terminal.dataReceived(b"\r")
    assert application.lines == (b"one\ntwo\n",)


class Hesitant(Protocol):
    """An application that says wait and go on while it is handed a line, and leaves at one."""

    lines = ()

    def dataReceived(self, data):
        self.lines += (data,)
        self.transport.pauseProducing()
        self.transport.write(b"got " + data)
        self.transport.resumeProducing()
        if data == b"quit\n":
            self.transport.loseConnection()


def test_hesitation():
    """Lines come one after the other, and nothing that is written meanwhile is lost."""
    application = Hesitant()
    terminal, channel = run(application)
    terminal.dataReceived(b"one\rtwo\r")
    assert application.lines == (b"one\n", b"two\n")
    assert re.findall(rb"got \w+", channel.value()) == [b"got one", b"got two"]


def test_nothing_behind_the_end():
    """An application that has left gets no more lines, and what it said last is shown."""
    application = Hesitant()
    terminal, channel = run(application)
    terminal.dataReceived(b"quit\rmore\r")
    assert application.lines == (b"quit\n",)
    assert channel.value().endswith(b"got quit\r\n")
    assert channel.disconnecting
    terminal.connectionLost(Failure(ConnectionDone()))
    terminal.dataReceived(b"more\r")
    terminal.resumeProducing()
    assert application.lines == (b"quit\n",)


def test_a_line_at_a_time():
    """An application that is told to wait in the middle of a read gets the next line later."""
    terminal, channel = run()
    channel.full = True
    channel.clear()
    terminal.dataReceived(b"one\rtwo\rthree\r")
    for line in (b"one", b"two", b"three"):
        assert channel.value().count(b"\r\n" + line) == 1
        channel.clear()
        channel.producer.resumeProducing()


def test_resize():
    """A window of another size is drawn for; a session that has ended has nothing to draw."""
    terminal, channel = run()
    terminal.dataReceived(b"0123456789")
    channel.session.pty = Pty(b"xterm", 8, 24)
    channel.clear()
    terminal.resize()
    terminal.resize()
    channel.clock.advance(0)
    assert channel.value().count(b"\r\x1b[J> 012345 \r6789") == 1
    terminal, channel = run(command=b"x")
    channel.clear()
    terminal.resize()
    channel.clock.advance(0)
    assert channel.value() == b""


def test_resize_waits():
    """While nobody reads, a window that changes its size again and again is drawn for once."""
    terminal, channel = run()
    terminal.dataReceived(b"0123456789")
    channel.producer.pauseProducing()
    channel.clear()
    for columns in range(5, 50):
        channel.session.pty = Pty(b"xterm", columns, 24)
        terminal.resize()
        channel.clock.advance(0)
    assert channel.value() == b""
    channel.producer.resumeProducing()
    assert channel.value().count(b"0123456789") == 1

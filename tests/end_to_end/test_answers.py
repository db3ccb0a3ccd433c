"""The answers that a test dictates, as clients get them."""

import re
import threading

import pexpect
import pytest
from entering import enter, inAsyncSSH, ssh
from serving import PATIENCE, environment

from sshecho.testing import Answer


@pytest.fixture
def client(sshecho):
    """A client that has logged in."""
    with enter(sshecho) as client:
        yield client


@pytest.fixture
def ask(client):
    """Return a function that runs a command, and returns its output, its errors and its status."""

    def run(command, data=b"", end=True) -> tuple[bytes, bytes, int]:
        channel = client.get_transport().open_session()
        channel.exec_command(command)
        if data:
            channel.sendall(data)
        if end:
            channel.shutdown_write()
        return (
            channel.makefile().read(),
            channel.makefile_stderr().read(),
            channel.recv_exit_status(),
        )

    return run


def test_all_of_an_answer(sshecho, ask):
    """A command gets its output, its errors and its status; any other is echoed."""
    sshecho.respond("uptime", stdout="up ü\n", stderr=b"\xff", exit_status=3, after=0.01)
    assert ask("uptime") == ("up ü\n".encode(), b"\xff", 3)
    assert ask("uptime ") == (b"uptime \n", b"", 0)
    sshecho.respond(b"caf\xe9", b"\0\xff\n")
    assert ask(b"caf\xe9") == (b"\0\xff\n", b"", 0)
    sshecho.respond("high", exit_status=(1 << 32) - 2)
    assert ask("high") == (b"", b"", (1 << 32) - 2)
    sshecho.respond("", "nothing was asked")
    assert ask("") == (b"nothing was asked", b"", 0)


def test_programs(sshecho, need):
    """A program such as ssh gets answers too, at a terminal with its line ends, and no prompt."""
    need("ssh")
    sshecho.respond("uptime", stdout="up\n", stderr="err\n", exit_status=3, after=0.01)
    done = ssh(sshecho, "uptime")
    assert (done.stdout, done.stderr, done.returncode) == (b"up\n", b"err\n", 3)
    done = ssh(sshecho, "uptime", options=["-tt"])
    assert (done.stdout, done.returncode) == (b"up\r\nerr\r\n", 3)


def test_patterns(sshecho, ask):
    """A pattern has to fit the whole command, with its flags, as text or as bytes."""
    sshecho.respond(re.compile(r"cat \w+", re.IGNORECASE), "text")
    sshecho.respond(re.compile(rb"dog .\xff", re.DOTALL), "bytes")
    sshecho.respond(re.compile("ümlaut."), "umlaut")
    assert ask("CAT häuser")[0] == b"text"
    assert ask("cat a b")[0] == b"cat a b\n"
    assert ask("a cat a")[0] == b"a cat a\n"
    assert ask(b"dog \n\xff")[0] == b"bytes"
    assert ask(b"DOG \n\xff")[0] == b"DOG \n\xff\n"
    assert ask("ümlauts")[0] == b"umlaut"
    assert ask(b"\xc3\xbcmlaut\xff")[0] == b"umlaut"


def test_sequences(sshecho, ask):
    """Of a sequence each command gets the next answer, and the last one stays."""
    sshecho.respond("next", ["one", b"two", Answer(stderr="three", exit_status=3)])
    got = [ask("next") for _ in range(4)]
    last = (b"", b"three", 3)
    assert got == [(b"one", b"", 0), (b"two", b"", 0), last, last]


def test_the_youngest_counts(sshecho, ask):
    """Of the answers that fit, the one given last counts, and none counts after a reset."""
    sshecho.respond("uptime", "old")
    sshecho.respond(re.compile(".*"), "any")
    assert ask("uptime")[0] == b"any"
    sshecho.respond("uptime", "new")
    assert ask("uptime")[0] == b"new"
    assert ask("other")[0] == b"any"
    sshecho.reset()
    assert ssh(sshecho, "uptime").stdout == b"uptime\n"


def test_signals(sshecho):
    """A command ends by a signal, behind its output."""
    sshecho.respond("suicide", stdout="bye", signal="KILL")

    async def use(connection):
        return await connection.run("suicide")

    done = inAsyncSSH(sshecho, use)
    assert (done.stdout, done.exit_status, done.exit_signal[0]) == ("bye", -1, "KILL")
    assert sshecho.sessions[0].exit_signal == "KILL"
    assert sshecho.sessions[0].exit_status is None


def test_at_eof(sshecho, client):
    """An answer waits for the end of the input, which the record has."""
    sshecho.respond("sort", stdout="sorted", at_eof=True)
    channel = client.get_transport().open_session()
    channel.exec_command("sort")
    channel.sendall(b"b\na\n")
    sshecho.wait_for(lambda server: server.sessions[0].bytes_in == 4)
    assert not channel.recv_ready()
    channel.shutdown_write()
    assert channel.makefile().read() == b"sorted"
    [seen] = sshecho.sessions
    assert (seen.input, seen.eof, seen.exit_status) == (b"b\na\n", True, 0)


def test_at_eof_at_a_terminal(sshecho, client):
    """At a terminal, what is typed ends with ^D."""
    sshecho.respond("sort", stdout="sorted\n", at_eof=True)
    channel = client.get_transport().open_session()
    channel.get_pty()
    channel.exec_command("sort")
    channel.sendall(b"b\ra\r\x04")
    assert channel.makefile().read().endswith(b"sorted\r\n")
    assert sshecho.sessions[0].input == b"b\ra\r\x04"


def test_callables(sshecho, ask):
    """A callable gets the session, and returns any answer, or None for an echo."""
    told = []

    def answer(session):
        told.append(session)
        return answers[session.command]

    answers = {
        "text": "text",
        "bytes": b"\xff",
        "answer": Answer(stderr="err", exit_status=4),
        "none": None,
    }
    sshecho.respond(re.compile(".*"), answer)
    assert ask("text") == (b"text", b"", 0)
    assert ask("bytes") == (b"\xff", b"", 0)
    assert ask("answer") == (b"", b"err", 4)
    assert ask("none") == (b"none\n", b"", 0)
    assert [session.command for session in told] == list(answers)
    assert told[0] == told[0].__class__(**vars(told[0]))
    assert (told[0].user, told[0].door, told[0].open) == ("user", "ssh", True)


def test_callables_that_break(sshecho, ask):
    """Of a callable that raises, or returns no answer, the client is told, and the log too."""

    def breaks(session):
        raise LookupError("no such thing")

    sshecho.respond("raise", breaks)
    sshecho.respond("list", lambda session: ["no", "answer"])
    why = b"the callable that answers raised LookupError: no such thing\n"
    assert ask("raise") == (b"", why, 255)
    _, why, status = ask("list")
    assert b"TypeError: an answer is an Answer, str or bytes, not ['no', 'answer']" in why
    assert status == 255
    assert "could not be answered: the callable that answers raised LookupError" in sshecho.log
    assert ask("hello")[0] == b"hello\n"
    with pytest.raises(LookupError, match="no such thing"):
        sshecho.check()
    with pytest.raises(TypeError, match="an answer is"):
        sshecho.check()
    sshecho.check()


def test_callables_at_once(sshecho, client):
    """Callables run side by side, and may look at the server meanwhile."""
    together = threading.Barrier(3, timeout=PATIENCE)

    def answer(session):
        together.wait()
        assert len(sshecho.sessions) == 3
        sshecho.wait_for("session.open", command=session.command)
        sshecho.respond(f"after {session.command}", "dictated by it")
        return session.command * 2

    sshecho.respond(re.compile("."), answer)
    channels = [client.get_transport().open_session() for _ in "abc"]
    for channel, command in zip(channels, "abc", strict=True):
        channel.exec_command(command)
    assert [channel.makefile().read() for channel in channels] == [b"aa", b"bb", b"cc"]
    channel = client.get_transport().open_session()
    channel.exec_command("after b")
    assert channel.makefile().read() == b"dictated by it"


def test_session_that_ends_while_a_callable_runs(sshecho, client):
    """A callable whose client has left meanwhile does no harm, be it as slow as it likes."""
    begun, may = threading.Event(), threading.Event()

    def answer(session):
        begun.set()
        assert may.wait(PATIENCE)
        return "late"

    sshecho.respond("slow", answer)
    channel = client.get_transport().open_session()
    channel.exec_command("slow")
    assert begun.wait(PATIENCE)
    channel.close()
    sshecho.wait_for("session.close", command="slow")
    may.set()
    channel = client.get_transport().open_session()
    channel.exec_command("hello")
    assert channel.makefile().read() == b"hello\n"
    assert "could not be answered" not in sshecho.log


def test_session_that_ends_before_its_answer(sshecho, client):
    """A client that leaves before the time of its answer leaves nothing behind."""
    sshecho.respond("late", "too late", after=1000)
    channel = client.get_transport().open_session()
    channel.exec_command("late")
    channel.close()
    event = sshecho.wait_for("session.close", command="late")
    assert event["exit_status"] is None
    assert "could not be answered" not in sshecho.log


def test_lines_at_a_terminal(sshecho, need):
    """At a terminal's shell each line is a command, and the next prompt comes behind its answer."""
    need("ssh")
    sshecho.respond(
        "date",
        ["monday\n", "tuesday\n"],
    )
    sshecho.respond("slow", stdout="at last\n", stderr="and this\n", after=0.05)
    sshecho.respond("who", lambda session: f"{session.term}\n" if session.term else None)
    sshecho.respond("echo", lambda session: None)
    shell = pexpect.spawn(
        "ssh",
        ["-F", str(sshecho.ssh_config), "sshecho"],
        env=environment(TERM="vt100"),
        timeout=PATIENCE,
        dimensions=(24, 80),
    )
    shell.expect_exact("> ")
    for line, answer in [
        ("date", "monday"),
        ("date", "tuesday"),
        ("slow", "at last\r\nand this"),
        ("who", "vt100"),
        ("echo", "echo"),
        ("anything", "anything"),
    ]:
        shell.sendline(line)
        shell.expect_exact("> ")
        shown = re.sub(r"\x1b\[[?\d]*[a-zA-Z]|^.*?\x1b\[\?2004l\r\n", "", shell.before.decode())
        assert shown.strip("\r\n").endswith(f"{answer}"), (line, shell.before)
    shell.send("slow\rdate\r\x04")  # all of it waits for its turn
    shell.expect(pexpect.EOF)
    text = shell.before.decode()
    assert text.index("at last") < text.index("and this") < text.index("tuesday")
    shell.wait()
    assert shell.exitstatus == 0


def test_lines_without_a_terminal(sshecho, client):
    """Without a terminal a shell is a stream: it is echoed, whatever is in it."""
    sshecho.respond("date", "monday\n")
    channel = client.get_transport().open_session()
    channel.invoke_shell()
    channel.sendall(b"date\n")
    channel.shutdown_write()
    assert channel.makefile().read() == b"date\n"


def test_more_than_the_window(sshecho, client):
    """What a client does not read waits, without end; and then all of it comes."""
    data = bytes(range(256)) * (8 << 12)
    sshecho.respond("much", Answer(data, b"err" * 100_000, exit_status=5))
    channels = [client.get_transport().open_session(window_size=1 << 16) for _ in range(4)]
    for channel in channels:
        channel.exec_command("much")
    sshecho.wait_for(lambda server: all(each.bytes_out >= 1 << 16 for each in server.sessions))
    assert {each.bytes_out for each in sshecho.sessions} == {1 << 16}
    for channel in channels:
        channel.set_combine_stderr(True)
        assert channel.makefile().read() == data + b"err" * 100_000
        assert channel.recv_exit_status() == 5


def test_memory(sshecho, need):
    """A large answer to many who don't read is kept once, and who reads gets it all."""
    need("ssh")
    sshecho.respond("big", b"x" * 16_000_000)
    assert len(ssh(sshecho, "big").stdout) == 16_000_000
    before = memory(sshecho)
    with enter(sshecho) as client:
        channels = []
        for _ in range(8):
            channel = client.get_transport().open_session(window_size=1 << 16)
            channel.exec_command("big")
            channels.append(channel)
        sshecho.wait_for(lambda server: len([s for s in server.sessions if s.bytes_out]) == 9)
        assert memory(sshecho) - before < 25_000_000


def memory(server) -> int:
    """Return how many bytes the server's process has in memory."""
    with open(f"/proc/{server._process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_what_is_no_answer(sshecho, ask):
    """What can't be dictated is said at once, and nothing has changed."""
    for wrong, error, text in [
        ({"answer": "a", "stdout": "b"}, TypeError, "but not both"),
        ({"answer": 5}, TypeError, "an answer is an Answer, str or bytes, not 5"),
        ({"answer": ["a", None]}, TypeError, "an answer is an Answer, str or bytes, not None"),
        ({"answer": []}, ValueError, "give one answer at least"),
        ({"stdout": 5}, TypeError, "stdout=5: it is str or bytes"),
        ({"exit_status": -1}, ValueError, "exit_status=-1: it is from 0 to 4294967295"),
        ({"exit_status": 1 << 32}, ValueError, "exit_status=4294967296: it is from 0"),
        ({"exit_status": "1"}, ValueError, "exit_status='1': it is from 0"),
        ({"signal": "SIGKILL"}, ValueError, "signal='SIGKILL': it is a name without SIG"),
        ({"after": -1}, ValueError, "after=-1: it is a number of seconds"),
    ]:
        with pytest.raises(error, match=re.escape(text)):
            sshecho.respond("uptime", **wrong)
    with pytest.raises(TypeError, match="a command is str, bytes or a compiled pattern, not 5"):
        sshecho.respond(5, "five")
    assert ask("uptime")[0] == b"uptime\n"


def test_question_without_an_answer(sshecho, ask):
    """A command that asks, and is sent the end instead of a line, fails."""
    sshecho.respond("sudo", "done\n", ask="Password: ")
    assert ask("sudo") == (b"", b"Password: no answer came\n", 1)


def test_question_of_a_callable(sshecho, ask):
    """A line that comes while a callable still thinks is the answer to its question."""
    thought = threading.Event()

    def think(session):
        thought.wait(PATIENCE)
        return Answer("done\n", ask="Password: ")

    sshecho.respond("sudo", think)
    sshecho.respond("su", lambda session: Answer("done\n", ask="Password: "), at_eof=True)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask("sudo", b"secret\n")))
    asking.start()
    sshecho.wait_for(lambda server: server.sessions[0].eof)
    thought.set()
    asking.join(PATIENCE)
    assert answers == [(b"done\n", b"Password: ", 0)]
    assert ask("su", b"secret\n") == (b"done\n", b"Password: ", 0)
    assert ask("su") == (b"", b"Password: no answer came\n", 1)


def test_typed_ahead(sshecho, client):
    """What is typed before its question comes is not shown; what comes behind waits its turn."""
    thought = threading.Event()

    def think(session):
        thought.wait(PATIENCE)
        return Answer("done\n", ask="Password: ", exit_status=0)

    sshecho.respond("sudo", think)
    channel = client.get_transport().open_session()
    channel.get_pty()
    channel.exec_command("sudo")
    channel.sendall(b"hush\r")
    sshecho.wait_for(lambda server: server.sessions[0].input == b"hush\r")
    thought.set()
    shown = channel.makefile().read()
    assert b"hush" not in shown
    assert shown.index(b"Password: ") < shown.index(b"done")


def test_lines_behind_a_question(sshecho, client):
    """At a shell the line behind an answer waits until that is given."""
    sshecho.respond("enable", lambda session: Answer("on\n", ask="Password: "))
    sshecho.respond("show", "shown\n")
    sshecho.respond("exit", exit_status=0)
    channel = client.get_transport().open_session()
    channel.get_pty()
    channel.invoke_shell()
    channel.sendall(b"enable\rhush\rshow\rexit\r")
    shown = channel.makefile().read()
    assert shown.index(b"Password: ") < shown.index(b"on\r\n") < shown.index(b"shown\r\n")
    assert b"hush" not in shown


def test_long_answer_to_a_question(sshecho, ask):
    """A line of any length is an answer."""
    sshecho.respond("sudo", "done\n", ask="Password: ")
    assert ask("sudo", b"p" * 70_000 + b"\n", end=False) == (b"done\n", b"Password: ", 0)

"""`sshecho passwd` at a terminal, and with real programs on both sides."""

import os
import signal
import subprocess
import sys

import pexpect
import pytest

PATIENCE = 60
COMMAND = [sys.executable, "-m", "sshecho", "passwd"]


def terminal(*arguments) -> pexpect.spawn:
    return pexpect.spawn(COMMAND[0], [*COMMAND[1:], *arguments], timeout=PATIENCE, encoding="utf-8")


def status(child: pexpect.spawn) -> int:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_asks_twice(private):
    """At a terminal the password is asked for twice, and not shown."""
    child = terminal("--auth", f"file:{private}/users", "alice")
    child.expect_exact("New password: ")
    child.sendline("hunter2")
    child.expect_exact("The same again: ")
    child.sendline("hunter2")
    child.expect_exact("'alice' is added to")
    assert "hunter2" not in child.before
    assert status(child) == 0
    assert (private / "users").read_bytes().startswith(b"alice:$2b$12$")


@pytest.mark.parametrize(
    ("typed", "said", "code"),
    [
        (["hunter2", "hunter3"], "the two passwords are not the same", 1),
        ([""], "the password is empty", 1),
        (["hunter2", "\x04"], "no password was given", 1),
        (["\x04"], "no password was given", 1),
        (["hunter2", "\x03"], "", 130),
    ],
)
def test_thinks_better_of_it(private, typed, said, code):
    """Whoever types two passwords, or none, or breaks it off, changes nothing."""
    child = terminal("--auth", f"file:{private}/users", "alice")
    for answer in typed:
        child.expect(r"(New password|The same again): ")
        child.send(answer if answer in "\x03\x04" and answer else f"{answer}\n")
    child.expect(pexpect.EOF)
    assert said in child.before
    assert "Traceback" not in child.before
    assert "hunter2" not in child.before
    child.close()
    assert child.exitstatus == code
    assert not (private / "users").exists()


def test_killed(private, write):
    """A file whose writer is killed again and again stays whole."""
    path = write("users", "foo:bar\n")
    for number in range(6):
        process = subprocess.Popen(
            [*COMMAND, "--auth", f"file:{path}", f"user{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        process.stdin.write(b"secret\n")
        process.stdin.close()
        try:
            # Around the time at which it writes, as long as that may take on any machine.
            process.wait(0.4 + number * 0.08)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        shown = subprocess.run(
            [*COMMAND, "--auth", f"file:{path}", "--list"], capture_output=True, check=True
        )
        assert b"foo" in shown.stdout.split()
    assert set(os.listdir(private)) <= {"users", ".users.new"}


@pytest.mark.parametrize("output", ["/dev/full", "a pipe that nobody reads"])
def test_output_that_is_not_taken(write, output):
    """An output that can't be written is said in one line."""
    path = write("users", "foo:bar\n")
    if output.startswith("/"):
        stream = os.open(output, os.O_WRONLY)
    else:
        reading, stream = os.pipe()
        os.close(reading)
    done = subprocess.run(
        [*COMMAND, "--auth", f"file:{path}", "--list"],
        stdout=stream,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(stream)
    assert done.returncode == 1
    assert done.stderr.startswith(b"sshecho passwd: the output: ")
    assert done.stderr.count(b"\n") == 1


def test_no_secret_is_shown(private):
    """The password is in no output, and in the database only as its hash."""
    done = subprocess.run(
        [*COMMAND, "--auth", f"db:sqlite3:{private}/users.db", "alice"],
        input=b"hunter2\n",
        capture_output=True,
        check=True,
    )
    assert b"hunter2" not in done.stdout + done.stderr
    assert b"hunter2" not in (private / "users.db").read_bytes()

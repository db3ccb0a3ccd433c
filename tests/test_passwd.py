"""The command passwd, without a terminal."""

import io
import sys

import bcrypt
import pytest

from sshecho.__main__ import main


@pytest.fixture
def passwd(monkeypatch, capsys):
    """Return a function that runs the command with a line of input."""

    def run(*arguments, typed=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
        status = main(["passwd", *arguments])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.fixture(params=["file:{}/users", "db:sqlite3:{}/users"])
def spec(request, private):
    return request.param.format(private)


def test_life_of_a_user(passwd, spec, private):
    """A user is added, has another password, is listed and removed, and each is said."""
    assert passwd("--auth", spec, "alice", typed=b"one\n") == (
        0,
        f"'alice' is added to {spec}\n",
        "",
    )
    assert passwd("--auth", spec, "alice", typed=b"two\r\nmore") == (
        0,
        f"'alice' has a new password in {spec}\n",
        "",
    )
    assert passwd("--auth", spec, "--list") == (0, "alice\n", "")
    assert b"$2b$12$" in (private / "users").read_bytes()
    assert passwd("--auth", spec, "--delete", "alice")[:2] == (
        0,
        f"'alice' is removed from {spec}\n",
    )
    assert passwd("--auth", spec, "--list") == (0, "", "")
    status, out, err = passwd("--auth", spec, "--delete", "alice")
    assert (status, out) == (1, "")
    assert err == f"sshecho passwd: there is no user 'alice' in {spec}\n"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (b"", "the password is empty"),
        (b"\n", "the password is empty"),
        (b"x" * 73 + b"\n", "longer than bcrypt's 72 bytes"),
        (b"a\0b\n", "holds a NUL"),
    ],
)
def test_bad_passwords(passwd, spec, private, typed, why):
    """A password that can't be hashed whole is refused in one line, and nothing is made."""
    status, out, err = passwd("--auth", spec, "alice", typed=typed)
    assert (status, out) == (1, "")
    assert err.startswith("sshecho passwd: ")
    assert why in err
    assert err.count("\n") == 1
    assert not (private / "users").exists()


def test_longest_password(passwd, spec):
    """72 bytes are not too long, whatever they are."""
    assert passwd("--auth", spec, "alice", typed=b"\xff" * 72 + b"\n")[0] == 0


def test_hash(passwd):
    """--hash prints the password's hash and writes nothing."""
    status, out, err = passwd("--hash", typed=b" pa ss \n")
    assert (status, err) == (0, "")
    assert bcrypt.checkpw(b" pa ss ", out.strip().encode())


def test_list_is_safe_for_a_terminal(passwd, private, write):
    """Names with control characters, or that are no text, are listed escaped."""
    path = write("users", b"a\x1b[2J:x\n\xff:x\n\xc3\xbc:x\n")
    assert passwd("--auth", f"file:{path}", "--list") == (0, "a\\x1b[2J\n\u00fc\n\\xff\n", "")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "give one user"),
        (["alice"], "say where the users are"),
        (["--auth", "file:x"], "give one user"),
        (["--auth", "file:x", "a", "b"], "give one user"),
        (["--auth", "file:x", "--list", "a"], "no user belongs to that"),
        (["--auth", "file:x", "--list", "--delete", "a"], "give one of"),
        (["--auth", "file:", "a"], "users are kept in"),
        (["--auth", "memory:a:b", "a"], "users are kept in"),
        (["--auth", "db:sqlite3", "a"], "say which database"),
        (["--auth", "db:sqlite3:x;query=SELECT 1", "a"], "no query belongs to that"),
        (["--auth", "db:psycopg:password=hunter2", "a"], "every user of this machine"),
        (["--hash", "--auth", "file:x"], "--hash writes nothing"),
        (["--bogus"], "--bogus not recognized"),
    ],
)
def test_usage(passwd, arguments, why):
    """What is wrong with the arguments is said in one line, with status 2."""
    status, out, err = passwd(*arguments)
    assert (status, out) == (2, "")
    assert why in err
    assert err.startswith("sshecho passwd: ")
    assert "hunter2" not in err
    assert err.count("\n") == 1


def test_a_name_with_a_space(passwd, spec):
    """A name that the line door can't read is taken, with a word about it."""
    status, out, err = passwd("--auth", spec, "al ice", typed=b"x\n")
    assert (status, out) == (0, f"'al ice' is added to {spec}\n")
    assert err == "a name with a space can't log in at the line door, only by SSH\n"


@pytest.mark.parametrize("kind", ["file:", "db:sqlite3:"])
def test_nothing_is_asked_in_vain(passwd, private, kind, monkeypatch):
    """Where no user can be written, the password is not asked for, and nothing is left behind."""
    monkeypatch.setattr("sshecho.passwd._password", lambda: pytest.fail("it was asked for"))
    (private / "open").mkdir()
    (private / "open").chmod(0o777)
    (private / "text").write_text("no database" * 1000)
    (private / "text").chmod(0o600)
    for path, why in [
        (f"{private}/open/users", "others can write to it"),
        (f"{private}/none/users", f"{private}/none: No such file"),
        *([(f"{private}/text", "no colon")] if kind == "file:" else []),
    ]:
        status, _, err = passwd("--auth", f"{kind}{path}", "alice")
        assert status == 1
        assert why in err
        assert err.count("\n") == 1
    assert not list((private / "open").iterdir())


def test_no_output(monkeypatch, private):
    """Without an output the user is written all the same."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"secret\n")))
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["passwd", "--auth", f"file:{private}/users", "alice"]) == 0
    assert (private / "users").read_bytes().startswith(b"alice:")


def test_no_input(monkeypatch, passwd, private):
    """Without any input there is no password."""
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["passwd", "--auth", f"file:{private}/users", "alice"]) == 1


def test_a_bad_name_is_said_before_the_password_is_asked_for(passwd, private):
    """A name that can't be is refused at once."""
    status, _, err = passwd("--auth", f"file:{private}/users", "a:b")
    assert (status, err) == (1, "sshecho passwd: the user name holds a colon\n")

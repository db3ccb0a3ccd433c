"""Stores of users that can be changed."""

import errno
import multiprocessing
import os
import sqlite3

import bcrypt
import pytest

from sshecho.cred.database import Database, DatabaseError
from sshecho.cred.files import BadFileError
from sshecho.cred.userstore import DatabaseUsers, FileUsers

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))
OTHER = bcrypt.hashpw(b"other", bcrypt.gensalt(4))


@pytest.fixture(params=["file", "database"])
def store(request, private):
    path = private / "users"
    store = FileUsers(str(path)) if request.param == "file" else sqlite(path)
    return path, store


def sqlite(path) -> DatabaseUsers:
    return DatabaseUsers(Database("sqlite3", str(path)))


def test_users(store):
    """Users are added, changed, listed in order and removed."""
    path, users = store
    assert users.put("\u00fcser".encode(), HASH)
    assert users.put(b"alice", HASH)
    assert not users.put(b"alice", OTHER)
    assert users.users() == [b"alice", "\u00fcser".encode()]
    assert OTHER in path.read_bytes()
    assert users.delete(b"alice")
    assert not users.delete(b"alice")
    assert users.users() == ["\u00fcser".encode()]


def test_new_is_private(store):
    """What is made is for nobody else to read, whatever the umask."""
    path, users = store
    before = os.umask(0)
    try:
        users.put(b"alice", HASH)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_missing(store):
    """A store that isn't there has no users to list or to remove, and is not made by that."""
    path, users = store
    for ask in (users.users, lambda: users.delete(b"alice")):
        with pytest.raises(BadFileError, match=f"{path}: No such file"):
            ask()
    assert not path.exists()


@pytest.mark.parametrize("user", [b"", b"a\0"])
def test_no_such_name(store, user):
    """A name that nobody can have is refused, before and when it is to be written."""
    path, users = store
    with pytest.raises(ValueError, match="the user name"):
        users.check(user)
    with pytest.raises(ValueError, match="the user name"):
        users.put(user, HASH)
    assert not path.exists()


def test_names_in_a_database(private):
    """A name in a database is UTF-8, and else may hold what it likes."""
    users = sqlite(private / "users")
    with pytest.raises(ValueError, match="UTF-8"):
        users.put(b"\xff", HASH)
    odd = b"a:b\n'; DROP TABLE users; --{password}%s?"
    assert users.put(odd, HASH)
    assert users.users() == [odd]


def test_the_rest_of_a_file_stays(write):
    """Comments, blank lines and everybody else's lines stay where they are."""
    path = write("users", b"# people\n\nfoo:pa:ss\r\nbar:x")
    FileUsers(str(path)).put(b"foo", HASH)
    assert path.read_bytes() == b"# people\n\nfoo:" + HASH + b"\nbar:x\n"


def test_behind_a_link(private, write):
    """Behind a link the file is changed, and the link stays one."""
    path = write("users", b"foo:bar\n")
    link = private / "link"
    link.symlink_to(path)
    FileUsers(str(link)).put(b"alice", HASH)
    assert link.is_symlink()
    assert b"alice:" in path.read_bytes()


def test_relative_path(private, monkeypatch):
    """A path without a folder is in the folder where we are."""
    monkeypatch.chdir(private)
    FileUsers("users").put(b"alice", HASH)
    assert (private / "users").exists()


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [(b"no colon\n", 0o600, "line 1: no colon"), (b"a:b\n", 0o666, "others can write to it")],
)
def test_broken_file(write, text, mode, why):
    """A file that can't be used is said to be so, and stays as it is."""
    path = write("users", text, mode)
    users = FileUsers(str(path))
    for ask in (users.users, lambda: users.put(b"a", HASH), lambda: users.delete(b"a")):
        with pytest.raises(BadFileError, match=why):
            ask()
    assert path.read_bytes() == text


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_broken_off(write, private, monkeypatch, step):
    """What fails half-way leaves the old file, whole, and nothing beside it."""
    path = write("users", b"foo:bar\n")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"sshecho.cred.userstore.os.{step}", fail)
    with pytest.raises(BadFileError, match="No space left"):
        FileUsers(str(path)).put(b"alice", HASH)
    assert path.read_bytes() == b"foo:bar\n"
    assert os.listdir(private) == ["users"]


class _Killed(BaseException):
    """The end of a process, which cleans nothing up."""


def test_killed_at_any_moment(write, monkeypatch):
    """Whenever it is killed, the old file or the new one is there, whole."""
    path = write("users", b"foo:bar\n")
    left = 0

    class Dying:
        """The module os, until its time has come."""

        def __getattr__(self, name):
            nonlocal left
            left -= name != "close"  # a killed process closes, and so unlocks, all that it has
            if left < 0 and name != "close":
                raise _Killed
            return getattr(os, name)

    monkeypatch.setattr("sshecho.cred.userstore.os", Dying())
    ends = []
    for moment in range(1, 100):
        left = moment
        try:
            FileUsers(str(path)).put(b"alice", HASH)
        except _Killed:
            ends.append(path.read_bytes())
        else:
            break
    assert ends[0] == b"foo:bar\n"
    assert ends[-1] == b"foo:bar\nalice:" + HASH + b"\n"
    assert len(set(ends)) == 2


def test_after_a_kill(write, private, monkeypatch):
    """A new file that a killed process left behind is no trouble, and never written into."""
    path = write("users", b"foo:bar\n")
    (private / "elsewhere").write_bytes(b"precious")
    (private / ".users.new").symlink_to(private / "elsewhere")
    FileUsers(str(path)).put(b"alice", HASH)
    assert FileUsers(str(path)).users() == [b"alice", b"foo"]
    assert (private / "elsewhere").read_bytes() == b"precious"
    assert sorted(os.listdir(private)) == ["elsewhere", "users"]


def _put(path, number):
    for count in range(5):
        FileUsers(path).put(b"user%d-%d" % (number, count), HASH)


def test_at_once(private):
    """Several who change a file at once lose nothing of each other's."""
    path = str(private / "users")
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_put, args=(path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert len(FileUsers(path).users()) == 20


def test_keys_go_with_their_user(private):
    """Who is removed from a database gets in by no key either."""
    path = private / "users"
    users = sqlite(path)
    users.put(b"alice", HASH)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO public_keys VALUES ('alice', 'x'), ('bob', 'y')")
    assert users.delete(b"alice")
    assert connection.execute("SELECT username FROM public_keys").fetchall() == [("bob",)]
    connection.close()


def test_open_folder(private):
    """No file is made where it could not be used."""
    (private / "open").mkdir()
    (private / "open").chmod(0o777)
    with pytest.raises(BadFileError, match="others can write to it"):
        FileUsers(f"{private}/open/users").put(b"a", HASH)
    assert not (private / "open" / "users").exists()


def test_no_tables_to_delete_from(private):
    """To remove a user makes no tables."""
    path = private / "users"
    sqlite3.connect(path).close()
    path.touch(0o600)
    path.chmod(0o600)
    with pytest.raises(DatabaseError, match="no such table: users"):
        sqlite(path).delete(b"alice")


def test_no_table_of_keys(private):
    """Where there is no table of keys, users are removed all the same."""
    path = private / "users"
    users = sqlite(path)
    users.put(b"alice", HASH)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE public_keys")
    connection.close()
    assert users.delete(b"alice")
    assert not users.delete(b"alice")


def test_keys_that_can_not_be_removed(private, monkeypatch):
    """When the keys can't be removed, the user is not either, and that is said."""
    path = private / "users"
    users = sqlite(path)
    users.put(b"alice", HASH)
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE public_keys RENAME COLUMN username TO name")
    connection.close()
    with pytest.raises(DatabaseError, match="no such column"):
        users.delete(b"alice")
    assert users.users() == [b"alice"]


def test_folder_that_is_none(private):
    """A folder that is missing is said to be so in one line."""
    with pytest.raises(BadFileError, match="No such file"):
        FileUsers(f"{private}/none/users").put(b"a", HASH)
    with pytest.raises(BadFileError, match="No such file"):
        sqlite(f"{private}/none/users").put(b"a", HASH)

"""``sshecho passwd``: adds, changes, removes and lists the users of a file or a database."""

from __future__ import annotations

import getpass
import os
import sys
from io import TextIOWrapper
from typing import ClassVar

from twisted.python.usage import UsageError

from sshecho.cred.database import DatabaseError, parseDatabase
from sshecho.cred.files import BadFileError
from sshecho.cred.passwords import checkPassword, hashPassword
from sshecho.cred.userstore import DatabaseUsers, FileUsers, UserStore
from sshecho.options import Options as CommonOptions
from sshecho.people import escape, userName

INTERRUPTED = 130
"""The exit status of a program that was broken off, as shells have it."""


class Options(CommonOptions):
    """The options of `sshecho passwd`."""

    synopsis = "--auth SPEC [--delete] USER | --auth SPEC --list | --hash"
    longdesc = (
        "Adds a user, or gives one another password: asked for twice at a terminal, else one line "
        "of standard input. SPEC is what serve's --auth takes: file:PATH or db:MODULE:CONNECT; a "
        "file or a table is made when there is none."
    )
    optParameters: ClassVar = [["auth", None, None, "where the users are: file:PATH, db:..."]]
    optFlags: ClassVar = [
        ["delete", None, "remove the user"],
        ["list", None, "print the users' names"],
        ["hash", None, "print the hash of a password, and write nothing"],
    ]

    def parseArgs(self, *users: str) -> None:
        """Take the user's name."""
        self["users"] = users

    def postOptions(self) -> None:
        """Look at what goes with what."""
        if sum(map(bool, (self["delete"], self["list"], self["hash"]))) > 1:
            raise UsageError("give one of --delete, --list and --hash")
        wanted = 0 if self["list"] or self["hash"] else 1
        if len(self["users"]) != wanted:
            raise UsageError("give one user" if wanted else "no user belongs to that")
        if self["hash"]:
            if self["auth"]:
                raise UsageError("--hash writes nothing, so --auth does not belong to it")
            return
        if not self["auth"]:
            raise UsageError("say where the users are: --auth file:PATH, or --auth db:...")
        try:
            self["store"] = _store(self["auth"])
        except ValueError as error:
            raise UsageError(f"--auth: {error}") from None


def _store(spec: str) -> UserStore:
    kind, _, argument = spec.partition(":")
    if kind == "file" and argument:
        return FileUsers(argument)
    if kind == "db":
        database, query = parseDatabase(argument)
        if query:
            raise ValueError("the table users is written; no query belongs to that")
        return DatabaseUsers(database)
    raise ValueError("users are kept in file:PATH or db:MODULE:CONNECT")


def run(options: Options) -> int:
    """Do what the options say.

    Returns:
        The exit status: 0, or 1 after a line on standard error that says what is wrong.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for names, where there is no UTF-8
    try:
        status = _run(options)
        print(end="", flush=True)
        return status
    except OSError as error:  # a full disk, a pipe that nobody reads
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"sshecho passwd: the output: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except (ValueError, BadFileError, DatabaseError) as error:
        print(f"sshecho passwd: {error}", file=sys.stderr)
        return 1


def _run(options: Options) -> int:
    if options["hash"]:
        print(hashPassword(_password()).decode())
        return 0
    store: UserStore = options["store"]
    if options["list"]:
        for user in store.users():
            print(escape(user.decode("utf-8", "backslashreplace")))
        return 0
    user = os.fsencode(options["users"][0])
    where = escape(options["auth"])
    if options["delete"]:
        if not store.delete(user):
            raise ValueError(f"there is no user {userName(user)} in {where}")
        print(f"{userName(user)} is removed from {where}")
        return 0
    store.check(user)
    if b" " in user:
        print("a name with a space can't log in at the line door, only by SSH", file=sys.stderr)
    new = store.put(user, hashPassword(_password()))
    print(f"{userName(user)} {'is added to' if new else 'has a new password in'} {where}")
    return 0


def _password() -> bytes:
    """Return a new password: from the terminal, asked for twice, or a line of a pipe."""
    if sys.stdin is None:
        raise ValueError("no password was given")
    if not sys.stdin.isatty():
        line = sys.stdin.buffer.readline()
        return line.removesuffix(b"\n").removesuffix(b"\r")
    try:
        password = checkPassword(os.fsencode(getpass.getpass("New password: ")))
        again = os.fsencode(getpass.getpass("The same again: "))
    except EOFError:
        print(file=sys.stderr)  # the cursor stands behind the question
        raise ValueError("no password was given") from None
    if password != again:
        raise ValueError("the two passwords are not the same")
    return password

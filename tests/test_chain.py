"""The chain of checkers."""

import pytest
from helpers import Password, denied, inline, logged, result
from twisted.conch.error import ValidPublicKey
from twisted.cred.checkers import ANONYMOUS
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import LogLevel

from sshecho.cred.chain import CheckerChain
from sshecho.cred.hashedfile import HashedFileChecker
from sshecho.cred.passwordfile import PasswordFileChecker
from sshecho.cred.passwords import cost


class Checker:
    """A checker with a ready answer, which remembers whether it was asked."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, answer):
        self.answer = answer
        self.asked = 0

    def requestAvatarId(self, credentials):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def ask(*checkers):
    chain = CheckerChain(IUsernamePassword, checkers)
    return chain.requestAvatarId(Password(b"user", b"secret"))


@pytest.fixture
def events():
    with logged() as seen:
        yield seen


def test_first_that_accepts_wins():
    """The first checker that accepts names the user, and those behind it are not asked."""
    first, second, third = Checker(fail(UnauthorizedLogin())), Checker(b"two"), Checker(b"three")
    assert result(ask(first, second, third)) == b"two"
    assert (first.asked, third.asked) == (1, 0)


def test_nobody_accepts():
    """When no checker accepts, the login is denied."""
    assert denied(ask(Checker(UnauthorizedLogin()), Checker(fail(UnauthorizedLogin()))))
    assert denied(ask())


def test_why():
    """Why each checker denied is said once, for us and not for the client."""
    checkers = [UnauthorizedLogin("no such user"), UnauthorizedLogin("it is late")]
    with logged(), pytest.raises(UnauthorizedLogin) as caught:
        result(ask(*map(Checker, [*checkers, ZeroDivisionError(), UnauthorizedLogin(), *checkers])))
    assert str(caught.value) == "no such user, it is late, an error"


@pytest.mark.parametrize("broken", [ZeroDivisionError("x"), "fails"])
def test_a_broken_checker_lets_nobody_in(broken, events):
    """A checker that breaks is logged without the password, and the next one is asked."""
    broken = fail(ZeroDivisionError("x")) if broken == "fails" else broken
    assert result(ask(Checker(broken), Checker(b"next"))) == b"next"
    assert [e["log_level"] for e in events] == [LogLevel.critical]
    assert "secret" not in repr(events)


@pytest.mark.parametrize("nobody", [None, b"", "", 0, True, [b"user"]])
def test_an_answer_that_names_nobody(nobody, events):
    """A checker that answers with no user's name lets nobody in."""
    assert denied(ask(Checker(nobody)))
    assert [e["log_level"] for e in events] == [LogLevel.error]


def test_str_names():
    """A checker that answers with str, as Twisted's for unix does, gives bytes all the same."""
    assert result(ask(Checker("\u00fcser"))) == "\u00fcser".encode()


def test_anonymous():
    """ANONYMOUS is an answer like another."""
    assert result(ask(Checker(ANONYMOUS))) == ANONYMOUS


def test_a_known_key_is_passed_on():
    """That a key is known ends the search: it is an answer, not a denial."""
    behind = Checker(b"other")
    with pytest.raises(ValidPublicKey):
        result(ask(Checker(fail(ValidPublicKey())), behind))
    assert behind.asked == 0


def test_slow_checker():
    """A checker may take its time; the next is asked only when it has denied."""
    slow: Deferred[bytes] = Deferred()
    behind = Checker(succeed(b"behind"))
    answer = ask(Checker(slow), behind)
    assert behind.asked == 0
    slow.errback(UnauthorizedLogin())
    assert result(answer) == b"behind"


def test_left():
    """When whoever wanted in has left, the checker is told, nothing is logged, nobody asked."""
    first, second = Checker(Deferred()), Checker(b"two")
    with logged() as seen:
        asking = ask(first, second)
        asking.cancel()
        with pytest.raises(CancelledError):
            result(asking)
    assert first.answer.called
    assert (second.asked, seen) == (0, [])


def test_a_checker_that_cancels_itself():
    """A checker whose own work is cancelled is broken like any other, and the next is asked."""
    with logged() as seen:
        assert result(ask(Checker(fail(CancelledError())), Checker(b"next"))) == b"next"
    assert len(seen) == 1


def test_the_same_work(write, monkeypatch):
    """Whoever is denied costs the same hashing in every store: unknown, wrong here or there."""
    spent = 0

    def hashing(password, secret):
        nonlocal spent
        spent += 2 ** cost(secret)
        return password == b"right"

    monkeypatch.setattr("sshecho.cred.passwords._bcryptMatches", hashing)
    secrets = {rounds: b"$2b$%02d$" % rounds + b"." * 53 for rounds in (4, 5, 6)}
    first = write("first", b"cheap:%b\ndear:%b\nplain:text\n" % (secrets[4], secrets[6]))
    second = write("second", b"other:%b\ncheap:%b\n" % (secrets[5], secrets[4]))
    digests = write("digests", b"digest:" + b"0" * 32)
    chain = CheckerChain(
        IUsernamePassword,
        [
            PasswordFileChecker(first, inline),
            HashedFileChecker("md5", digests, inline),
            PasswordFileChecker(second, inline),
        ],
    )
    costs = set()
    users = (b"cheap", b"dear", b"plain", b"digest", b"other", b"nobody", b"", b"\xff")
    for user in users:
        for password in (b"wrong", b"", b"x" * 100, b"\0"):
            spent = 0
            assert denied(chain.requestAvatarId(Password(user, password)))
            costs.add(spent)
    assert costs == {2**6 + 2**5}

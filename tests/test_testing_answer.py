"""Answers and rules, as they are said to the server, and as it reads them."""

import re

import pytest

from sshecho.testing.answer import Answer, sayAnswer, sayRule
from sshecho.testing.inside.rules import Reply, Rule, readReply


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("ü", Reply(stdout="ü".encode())),
        (bytes(range(256)), Reply(stdout=bytes(range(256)))),
        (
            Answer("a", b"\xff", 3, None, 0.5, True),
            Reply(b"a", b"\xff", 3, None, 0.5, True),
        ),
        (Answer(signal="KILL"), Reply(signal="KILL")),
        (Answer(signal="mine@example.org"), Reply(signal="mine@example.org")),
        (Answer(exit_status=(1 << 32) - 1), Reply(exit_status=(1 << 32) - 1)),
    ],
)
def test_answers(said, reply):
    """An answer arrives as it was given, whatever its bytes are."""
    assert readReply(sayAnswer(said)) == reply


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (None, TypeError),
        (5, TypeError),
        (["a"], TypeError),
        (Answer(stdout=5), TypeError),
        (Answer(stderr=None), TypeError),
        (Answer(exit_status=-1), ValueError),
        (Answer(exit_status=1 << 32), ValueError),
        (Answer(exit_status=1.5), ValueError),
        (Answer(signal="SIGTERM"), ValueError),
        (Answer(signal="term"), ValueError),
        (Answer(signal=15), ValueError),
        (Answer(signal=""), ValueError),
        (Answer(after=-0.1), ValueError),
        (Answer(after=float("inf")), ValueError),
        (Answer(after=float("nan")), ValueError),
        (Answer(after="1"), ValueError),
        (Answer("\ud800"), ValueError),
    ],
)
def test_what_is_no_answer(said, error):
    """What can't be an answer is refused, and it is said what it is."""
    with pytest.raises(error):
        sayAnswer(said)


@pytest.mark.parametrize(
    ("command", "fits", "others"),
    [
        ("ü", ["ü".encode()], [b"u", "üü".encode()]),
        (b"\xff", [b"\xff"], ["ÿ".encode(), b""]),
        ("", [b""], [b" "]),
        (re.compile("a+"), [b"a", b"aa"], [b"ab", b"ba", b"A", b"a\n"]),
        (re.compile("a.", re.IGNORECASE | re.DOTALL), [b"A\n", "aü".encode(), b"a\xff"], [b"a"]),
        (re.compile("(?i)ü"), ["Ü".encode()], [b"\xfc"]),
        (re.compile("ü", re.ASCII | re.IGNORECASE), ["ü".encode()], ["Ü".encode()]),
        (re.compile(rb"\xfc."), [b"\xfc\xff"], ["ü".encode()]),
        (re.compile(b"a # all", re.VERBOSE), [b"a"], [b"a # all"]),
    ],
)
def test_rules(command, fits, others):
    """A rule is for its command alone, or for all that its pattern fits from end to end."""
    rule = Rule(sayRule(command, ["answer"]))
    assert all(rule.fits(each) for each in fits)
    assert not any(rule.fits(each) for each in others)


def test_what_is_no_rule():
    """A rule has a command and an answer at least."""
    with pytest.raises(TypeError, match="a command is str, bytes or a compiled pattern, not None"):
        sayRule(None, ["answer"])
    with pytest.raises(ValueError, match="give one answer at least"):
        sayRule("x", [])

"""The options of authorized_keys."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshecho.cred.identity import Terms
from sshecho.cred.keyoptions import KeyOptions, parseOptions, splitOptions
from sshecho.cred.sources import parseSourceAddresses


@pytest.mark.parametrize(
    ("line", "options", "rest"),
    [
        (b"no-pty ssh-rsa AAAA me", b"no-pty", b"ssh-rsa AAAA me"),
        (b'command="a b\tc" ssh-rsa A', b'command="a b\tc"', b"ssh-rsa A"),
        (rb'command="a \" b",pty   ssh-rsa A', rb'command="a \" b",pty', b"ssh-rsa A"),
        (rb'command="a\" ssh-rsa A" x', rb'command="a\" ssh-rsa A"', b"x"),
        (b"alone", b"alone", b""),
    ],
)
def test_split(line, options, rest):
    """Options end at the first blank that is not quoted."""
    assert splitOptions(line) == (options, rest)


@pytest.mark.parametrize("line", [b'command="a b ssh-rsa A', rb'command="a\" ssh-rsa A', b'"'])
def test_open_quotation(line):
    """A quotation that does not end is no option, even if its last quotation mark is escaped."""
    with pytest.raises(ValueError, match="quotation"):
        splitOptions(line)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        (b"", Terms()),
        (b"no-pty", Terms(pty=False)),
        (b"restrict", Terms(pty=False)),
        (b"RESTRICT,Pty", Terms()),
        (b"pty,restrict", Terms(pty=False)),
        (rb'command="say \"hi, you\""', Terms(command=b'say "hi, you"')),
        (b'command=""', Terms(command=b"")),
        (rb'command="a\b"', Terms(command=rb"a\b")),
        (
            b'environment="A=1",environment="B=x=y",environment="A=2"',
            Terms(environment={b"A": b"1", b"B": b"x=y"}),
        ),
        (b"no-port-forwarding,no-X11-forwarding,no-agent-forwarding,no-user-rc", Terms()),
        (b'permitopen="localhost:80",permitlisten="8080",tunnel="0",user-rc', Terms()),
    ],
)
def test_terms(text, terms):
    """What a login may do is as the options say; what is not to be had here needs no option."""
    assert parseOptions(text) == KeyOptions(terms=terms)


@pytest.mark.parametrize(
    "text",
    [
        b"unknown",
        b'principals="a"',
        b"cert-authority,principals",
        b'cert-authority,principals=""',
        b'cert-authority,principals="a",principals="b"',
        b'cert-authority="a"',
        b"verify-required=yes",
        b'no-touch-required="yes"',
        b"no-pty,",
        b",no-pty",
        b"no-pty,,pty",
        b"no-pty pty",
        b"pty=yes",
        b'pty="yes"',
        b"command",
        b"command=x",
        b'command="a"b',
        b'command="a",command="a"',
        b'from="127.0.0.1",from="127.0.0.1"',
        b'from=""',
        b'from="10.0.0.1,,10.0.0.2"',
        b'from="10.0.0.1/8"',
        b'from="10.0.0.0/33"',
        b'from="fe80::1%eth0"',
        b'from="fe80::%eth0/64"',
        b'from="!::ffff:10.0.0.*,*"',
        b'from="!::ffff:*,*"',
        b'from="2001:0db8:*"',
        b'from="0.0.0.0/0,!::ffff:10.0.0.0/104"',
        b'from="*/8"',
        b'from="*.example.org"',
        b'from="!bad.example.org,*"',
        b'from="192.0.2.[7]"',
        b'from="!010.0.0.1,*"',
        b'from="cafe.de"',
        b'from="10.0.0.1, *"',
        b'from="10.0.0.0/255.0.0.0"',
        b'environment="A"',
        b'environment="=x"',
        b'environment="A B=x"',
        b"\xff",
        b"--",
        *(
            b'expiry-time="%s"' % time
            for time in (b"", b"2030", b"20301301", b"203001012560", b"20300101Y", b"2030010112")
        ),
    ],
)
def test_closed(text):
    """What is not known, or not understood, closes the line."""
    with pytest.raises(ValueError, match=r"\w"):
        parseOptions(text)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (b"no-touch-required", KeyOptions(touchRequired=False)),
        (b"Verify-Required", KeyOptions(verifyRequired=True)),
        (b"cert-authority", KeyOptions(isAuthority=True)),
        (
            b'principals="alice,b b",cert-authority',
            KeyOptions(isAuthority=True, principals=[b"alice", b"b b"]),
        ),
    ],
)
def test_of_security_keys_and_authorities(text, options):
    """Security keys and keys of authorities have options of their own."""
    assert parseOptions(text) == options


@pytest.mark.parametrize(
    ("line", "certificate", "both"),
    [
        (b"no-touch-required", KeyOptions(), KeyOptions()),
        (b"", KeyOptions(touchRequired=False), KeyOptions()),
        (
            b"no-touch-required",
            KeyOptions(touchRequired=False),
            KeyOptions(touchRequired=False),
        ),
        (b"verify-required", KeyOptions(), KeyOptions(verifyRequired=True)),
        (b"", KeyOptions(verifyRequired=True), KeyOptions(verifyRequired=True)),
        (b"no-pty", KeyOptions(), KeyOptions(terms=Terms(pty=False))),
        (b"", KeyOptions(terms=Terms(pty=False)), KeyOptions(terms=Terms(pty=False))),
        (b'command="a"', KeyOptions(), KeyOptions(terms=Terms(command=b"a"))),
        (b"", KeyOptions(terms=Terms(command=b"")), KeyOptions(terms=Terms(command=b""))),
        (
            b'command="a",environment="A=1"',
            KeyOptions(terms=Terms(command=b"a")),
            KeyOptions(terms=Terms(command=b"a", environment={b"A": b"1"})),
        ),
        (b'expiry-time="19700101Z"', KeyOptions(), KeyOptions(expiry=0)),
    ],
)
def test_narrowed(line, certificate, both):
    """Of an authority's options and its certificate's the stricter hold."""
    assert parseOptions(line).narrowedBy(certificate) == both


def test_narrowed_sources():
    """An address must be one that both allow."""
    certificate = KeyOptions(sources=(parseSourceAddresses(b"10.0.0.0/8"),))
    both = parseOptions(b'from="10.1.*,192.0.2.1"').narrowedBy(certificate)
    assert both.refusal("10.1.0.1", 0) is None
    for address in ("10.2.0.1", "192.0.2.1", "203.0.113.1"):
        assert both.refusal(address, 0) == "the key is not for this address"


def test_two_commands():
    """Where both force a command, and not the same, neither is run."""
    with pytest.raises(ValueError, match="force-command is not the command="):
        parseOptions(b'command="a"').narrowedBy(KeyOptions(terms=Terms(command=b"b")))


@given(st.binary(max_size=60))
def test_any_bytes(text):
    """Whatever stands there is options or a ValueError, and nothing worse."""
    try:
        options, _ = splitOptions(text)
        parseOptions(options)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("sources", "address", "allowed"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.70", False),
        ("192.0.2.*", "192.0.2.70", True),
        ("192.0.2.?", "192.0.2.70", False),
        ("*", "2001:db8::1", True),
        ("192.0.2.0/24", "192.0.2.255", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("192.0.2.0/24", "2001:db8::1", False),
        ("192.0.2.0/24", "::ffff:192.0.2.1", True),
        ("2001:DB8::/32", "2001:db8:1::1", True),
        ("2001:DB8::1", "2001:db8::1", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("!::ffff:10.0.0.1,*", "10.0.0.1", False),
        ("2001:0db8:0:0::1", "2001:db8::1", True),
        ("!2001:db8:0:0::1,2001:db8::/32", "2001:db8::1", False),
        ("198.51.100.1,192.0.2.1", "192.0.2.1", True),
        ("!192.0.2.1,192.0.2.*", "192.0.2.1", False),
        ("192.0.2.*,!192.0.2.1", "192.0.2.1", False),
        ("192.0.2.*,!192.0.2.1", "192.0.2.2", True),
        ("!192.0.2.0/28,192.0.2.0/24", "192.0.2.3", False),
        ("!192.0.2.1", "192.0.2.2", False),
        ("fe80::/10,!fe80::1", "fe80::1%eth0", False),
        ("fe80::1", "fe80::1%eth0", True),
        ("0::/0", "2001:db8::1", True),
        ("2001:db8:*", "2001:db8::1", True),
        ("*", None, False),
        ("*", "no address", False),
    ],
)
def test_from(sources, address, allowed):
    """from= lets in whom a pattern means, unless one with an exclamation mark means them too."""
    options = parseOptions(b'from="%s"' % sources.encode())
    assert (options.refusal(address, 0) is None) == allowed


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"20300102Z", datetime(2030, 1, 2, tzinfo=UTC)),
        (b"19700101Z", datetime(1970, 1, 1, tzinfo=UTC)),
        (b"20300102UTC", datetime(2030, 1, 2, tzinfo=UTC)),
        (b"203001021314z", datetime(2030, 1, 2, 13, 14, tzinfo=UTC)),
        (b"20300102131415Z", datetime(2030, 1, 2, 13, 14, 15, tzinfo=UTC)),
    ],
)
def test_expiry(text, moment):
    """expiry-time= lets nobody in from then on."""
    options = parseOptions(b'expiry-time="%s"' % text)
    then = moment.timestamp()
    assert options.refusal("127.0.0.1", then - 1) is None
    assert options.refusal("127.0.0.1", then) == "the key has expired"


def test_local_time(monkeypatch):
    """A time without a Z is the machine's, and of two times the earlier counts."""
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    try:
        both = parseOptions(b'expiry-time="20300103",expiry-time="203001020000"')
        assert both.expiry == datetime(2030, 1, 2, 5, tzinfo=UTC).timestamp()
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()

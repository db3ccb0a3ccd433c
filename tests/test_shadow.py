"""The system's accounts and their hashes."""

import subprocess
import sys

import pytest

from sshecho.cred import shadow
from sshecho.cred.shadow import Account, NoCryptError, crypt, parseShadow, passwordMatches

KNOWN = [  # openssl passwd -1, -5, -6 -salt saltsalt 'correct horse'
    b"$1$saltsalt$NuzA7WTAelpl95xgBGWN60",
    b"$5$saltsalt$myjXcpMpE2Ofk7fj9hqyNYSn6lmWG4Mqnjx.KIRRr4/",
    b"$6$saltsalt$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/ua"
    b"mSo5z0",
]
SETTINGS = [
    b"$y$j9T$abcdefgh$",
    b"$6$salt$",
    b"$5$rounds=1000$salt$",
    b"$2b$04$" + b"." * 22,
    b"$1$salt$",
]
DAY = 24 * 60 * 60
TODAY = 20_000
NOW = TODAY * DAY + 100


def line(user: bytes, secret: bytes, changed=b"19000", longest=b"99999", expires=b"") -> bytes:
    return b":".join([user, secret, changed, b"0", longest, b"7", b"", expires, b""]) + b"\n"


@pytest.fixture
def hashed(monkeypatch):
    """The settings that crypt is called with from now on."""
    calls = []

    def counting(password, setting):
        calls.append(setting)
        return crypt(password, setting)

    monkeypatch.setattr(shadow, "crypt", counting)
    return calls


@pytest.mark.parametrize("known", KNOWN, ids=["md5", "sha256", "sha512"])
def test_known_hashes(known):
    """The library's hashes are the ones that openssl makes."""
    assert crypt(b"correct horse", known) == known
    assert crypt(b"correct horsf", known) != known


def test_unknown_method():
    """A method that the system does not know gives no hash."""
    assert crypt(b"pw", b"$none$salt$") is None
    assert crypt(b"pw", b"!") is None
    assert crypt(b"pw", b"*") is None


def test_without_pythons_own_modules():
    """Passwords are checked where Python has neither crypt nor spwd."""
    program = f"""
import sys
sys.modules["crypt"] = sys.modules["spwd"] = None
from sshecho.cred.shadow import parseShadow, passwordMatches
import sshecho.cred.unix
accounts = parseShadow(b"user:{KNOWN[2].decode()}:1:0:99999:7:::\\n")
print([passwordMatches(accounts, accounts.byName[b"user"], p) for p in (b"correct horse", b"x")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"[True, False]\n", b"")


@pytest.fixture
def noLibrary(monkeypatch):
    shadow._library.cache_clear()
    monkeypatch.setattr(shadow, "_LIBRARIES", ("libsshecho-none.so.1", "libm.so.6"))
    yield
    shadow._library.cache_clear()


def test_no_library(noLibrary):
    """Where there is no libcrypt, or one without the function, that is said."""
    with pytest.raises(NoCryptError, match="this system has no libcrypt"):
        crypt(b"pw", KNOWN[0])


@pytest.mark.parametrize("setting", SETTINGS)
def test_password(setting):
    """A password of each method in use matches, and nothing else does."""
    secret = crypt("p\u00e4ss wo:rd".encode(), setting)
    accounts = parseShadow(line(b"other", KNOWN[0]) + line(b"user", secret))
    user = accounts.byName[b"user"]
    assert passwordMatches(accounts, user, "p\u00e4ss wo:rd".encode())
    for wrong in ["p\u00e4ss wo:r", "p\u00e4ss wo:rdx", "", "correct horse"]:
        assert not passwordMatches(accounts, user, wrong.encode())
    assert not passwordMatches(accounts, user, secret)
    assert not passwordMatches(accounts, None, "p\u00e4ss wo:rd".encode())


@pytest.mark.parametrize("setting", SETTINGS)
def test_nul(setting):
    """A password is not cut at a NUL."""
    accounts = parseShadow(line(b"user", crypt(b"pw", setting)))
    assert crypt(b"pw\0more", setting) == accounts.byName[b"user"].secret
    for password in (b"pw\0more", b"pw\0", b"\0pw"):
        assert not passwordMatches(accounts, accounts.byName[b"user"], password)


@pytest.mark.parametrize("method", [b"2a", b"2b", b"2y"])
def test_bcrypts_limit(method):
    """A password of more bytes than bcrypt looks at never matches, and other methods take it."""
    long = b"x" * 72
    secret = crypt(long, b"$" + method + b"$04$" + b"." * 22)
    accounts = parseShadow(line(b"bcrypt", secret) + line(b"sha", crypt(long + b"y", b"$6$salt$")))
    bcrypt, sha = accounts.byName[b"bcrypt"], accounts.byName[b"sha"]
    assert crypt(long + b"y", secret) == secret
    assert passwordMatches(accounts, bcrypt, long)
    assert not passwordMatches(accounts, bcrypt, long + b"y")
    assert passwordMatches(accounts, sha, long + b"y")
    assert not passwordMatches(accounts, sha, long)


@pytest.mark.parametrize("setting", SETTINGS)
def test_hash_of_nothing(setting):
    """An account whose password is hashed, but empty, lets nobody in."""
    accounts = parseShadow(line(b"user", crypt(b"", setting)))
    assert accounts.byName[b"user"].hasPassword
    assert not passwordMatches(accounts, accounts.byName[b"user"], b"")


@pytest.mark.parametrize(
    "secret",
    [b"", b"!", b"*", b"!!", b"x", b"*LK*", b"NP", b"plain", b"!" + KNOWN[2], b"*" + KNOWN[2]]
    + [b"$", b"$6", b"$6$", b"$6$salt$with space", b"\xff" * 13, KNOWN[2] + b"\0"],
)
def test_no_password(secret):
    """Locked and open accounts, and what is no hash, match no password at all."""
    accounts = parseShadow(line(b"user", secret))
    user = accounts.byName[b"user"]
    assert not user.hasPassword
    assert not accounts.settings
    for password in (b"", secret, b"correct horse", b"!correct horse"):
        assert not passwordMatches(accounts, user, password)


def test_same_work(hashed):
    """Each method and cost in the file is computed once, whoever logs in with whatever."""
    secrets = {b"user%d" % at: crypt(b"pw", setting) for at, setting in enumerate(SETTINGS)}
    text = b"".join(line(user, secret) for user, secret in secrets.items())
    text += line(b"again", crypt(b"pw", b"$6$other$"))  # the cost of user1's
    text += line(b"dearer", crypt(b"pw", b"$2b$05$" + b"." * 22))
    text += line(b"locked", b"!" + KNOWN[0]) + line(b"open", b"") + line(b"never", b"*")
    accounts = parseShadow(text)
    costs = {b"$y$j9T$", b"$6$", b"$5$rounds=1000$", b"$2b$04$", b"$2b$05$", b"$1$"}
    for user in [*secrets, b"again", b"dearer", b"locked", b"open", b"never", b"unknown"]:
        for password in (b"pw", b"wrong", b"", b"pw\0", b"x" * 100):
            account = accounts.byName.get(user)
            hashed.clear()
            matched = passwordMatches(accounts, account, password)
            found = [next(cost for cost in costs if call.startswith(cost)) for call in hashed]
            assert sorted(found) == sorted(costs), (user, password)
            assert matched == (password == b"pw" and account is not None and account.hasPassword)


@pytest.mark.parametrize(
    "pair",
    [
        (b"$7$C6..../....SodiumChloride$", b"$7$D6..../....SodiumChloride$"),
        (b"$sha1$1000$abcdefgh$", b"$sha1$2000$abcdefgh$"),
        (b"$md5,rounds=900$abc$", b"$md5,rounds=999$abc$"),
        (b"$5$rounds=1000$salt$", b"$5$rounds=2000$salt$"),
        (b"$y$j9T$abcdefgh$", b"$y$j8T$abcdefgh$"),
        (b"$gy$j9T$abcdefgh$", b"$gy$j8T$abcdefgh$"),
        (b"_J9..abcd", b"_K9..abcd"),
    ],
)
def test_costs(pair):
    """Hashes of one method and of different costs are told apart."""
    # Made up, because not each library knows all of them; only the cost is looked at.
    first, second = (setting + b"A" * (20 - len(setting)) for setting in pair)
    accounts = parseShadow(line(b"a", first) + line(b"b", second) + line(b"c", first[:-1] + b"B"))
    assert all(account.hasPassword for account in accounts.byName.values())
    assert len(accounts.settings) == 2


def test_parse():
    """A line gives its account, and dates that are not set are none."""
    accounts = parseShadow(line(b"a", b"*") + b"b:!:::::::\n" + b"c:!:-1:0:-1:7::-1:\n")
    assert accounts.byName == {
        b"a": Account(b"*", 19000, 99999, None),
        b"b": Account(b"!", None, None, None),
        b"c": Account(b"!", None, None, None),
    }


@pytest.mark.parametrize(
    "bad",
    [b"", b"\n", b"user", b"user:x:1", b":x:1:0:9:7:::", line(b"u", KNOWN[0], expires=b"soon")],
)
def test_bad_lines(bad):
    """A line that can't be read is nobody's, and the others are theirs."""
    accounts = parseShadow(bad + b"\n" + line(b"good", KNOWN[1]))
    assert set(accounts.byName) == {b"good"}


def test_first_line_counts():
    """Of two lines for one user the first counts, as it does for the system."""
    accounts = parseShadow(line(b"user", b"!") + line(b"user", KNOWN[0]))
    assert accounts.byName[b"user"].secret == b"!"
    assert not accounts.settings


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, None),
        ({"expires": b"%d" % (TODAY + 1)}, None),
        ({"expires": b"%d" % TODAY}, "the account has expired"),
        ({"expires": b"1"}, "the account has expired"),
        ({"expires": b"0"}, "the account has expired"),
        ({"expires": b"-1"}, None),
        ({"changed": b"0"}, "the password has to be changed"),
        ({"changed": b""}, None),
        ({"changed": b"", "longest": b"1"}, None),
        ({"changed": b"%d" % (TODAY - 30), "longest": b"30"}, None),
        ({"changed": b"%d" % (TODAY - 31), "longest": b"30"}, "the password is too old"),
        ({"longest": b""}, None),
        ({"longest": b"-1"}, None),
    ],
)
def test_dates(fields, refusal):
    """Expired accounts are refused, and passwords that have to be changed, each from its day on."""
    account = parseShadow(line(b"user", KNOWN[0], **fields)).byName[b"user"]
    assert account.refusal(NOW) == refusal
    assert account.hasExpired(NOW) == (refusal == "the account has expired")

"""The faults as they are written, and which of them are in force for whom."""

import pytest
from twisted.internet.task import Clock

from sshecho.testing.faults import KINDS, parseFault
from sshecho.testing.faulty import inForce
from sshecho.testing.faulty.inforce import InForce, Order, cut
from sshecho.testing.faulty.late import Late


class Suspect:
    """A connection that notes what faults do to it."""

    def __init__(self, user=None, *own):
        self.user = user
        self.own = list(map(parseFault, own))
        self.ended = 0
        self.done = []

    def faultEnded(self):
        self.ended += 1

    def tellFault(self, fault):
        self.done.append(f"told {fault}")

    def hang(self):
        self.done.append("hang")

    def drop(self, why):
        self.done.append(f"drop {why}")

    def spoil(self, data):
        self.done.append(data)

    def showBanner(self, text):
        self.done.append(text)
        return True

    def showAnotherHostKey(self):
        self.done.append("key")
        return True


def names(inForce, suspect):
    return [str(fault) for fault in inForce.of(suspect)]


WRITTEN = [
    *(f"{name}={stage}" for name in ("hang", "drop-at") for stage in ("version", "kex")),
    *(f"{name}={stage}" for name in ("hang", "drop-at") for stage in ("auth", "session")),
    *("garbage", "garbage=version", "garbage=kex", "garbage=auth", "garbage=session"),
    *("slow=0.5", "slow=3", "slow=1000000", "drop-after=1", "drop-after=4294967296"),
    *("deny=1", "deny=1000000", "exit=0", "exit=255", "exit=4294967295", "signal=KILL"),
    *("signal=USR1", "stall-window", "new-host-key", "big-banner", "big-banner=250000"),
]


@pytest.mark.parametrize("text", WRITTEN)
def test_written(text):
    """Each fault is read, and written again as it was."""
    assert str(parseFault(text)) == text


def test_each_kind_is_tried():
    """No kind of fault is without a test of how it is written."""
    assert {type(parseFault(text)) for text in WRITTEN} == set(KINDS)


STAGES = "it is one of version, kex, auth, session"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *((text, "there is no such fault; there are slow=SECONDS, hang=") for text in ("", "x")),
        *((text, "there is no such fault") for text in ("=", "Slow=1", " slow=1", "by-user=1")),
        *((f"hang{rest}", STAGES) for rest in ("", "=", "=login", "=Kex", "=auth ")),
        *((f"drop-at{rest}", STAGES) for rest in ("", "=", "=x")),
        *((f"garbage{rest}", STAGES) for rest in ("=", "=x")),
        *((f"slow{rest}", "it is a number of seconds") for rest in ("", "=", "=x", "=-1", "=1=2")),
        *((f"slow={rest}", "it is more than 0 seconds") for rest in ("0", "0.0", "1000001")),
        *((f"drop-after{rest}", "from 1 to 4294967296") for rest in ("", "=", "=0", "=4294967297")),
        *((f"drop-after={rest}", "it is a whole number") for rest in ("4k", "-1", "1.5", "\u0661")),
        *((f"deny{rest}", "from 1 to 1000000") for rest in ("", "=0", "=1000001", "=all")),
        *((f"exit{rest}", "from 0 to 4294967295") for rest in ("", "=-1", "=4294967296")),
        *((f"big-banner={rest}", "from 1 to 250000") for rest in ("", "0", "250001")),
        *((f"signal{rest}", "a signal's name without SIG") for rest in ("", "=", "=9", "=kill")),
        *((f"signal={rest}", "such as KILL") for rest in ("SIGKILL", "A B", "A" * 17, "T\xc9RM")),
        *((f"{name}=1", "it takes no argument") for name in ("stall-window", "new-host-key")),
        *((f"{name}=", "it takes no argument") for name in ("stall-window", "new-host-key")),
    ],
)
def test_misspelt(text, why):
    """What is no fault is said in one line, with how it is written if it has a name."""
    with pytest.raises(ValueError, match=r"it |there is") as caught:
        parseFault(text)
    said = str(caught.value)
    assert why in said
    assert "\n" not in said
    name = text.partition("=")[0]
    usage = [kind.usage for kind in KINDS if kind.name == name]
    assert not usage or said.startswith(f"{usage[0]}: ")


@pytest.mark.parametrize("text", ["hang=kex", "drop-at=kex", "garbage=kex"])
def test_stage(text):
    """A fault of one stage strikes there and nowhere else, and that is all that happens there."""
    fault, suspect = parseFault(text), Suspect()
    for stage in ("version", "auth", "session"):
        assert not fault.reaches(suspect, stage)
    assert suspect.done == []
    assert fault.reaches(suspect, "kex")
    assert suspect.done[0] == f"told {text}"
    assert len(suspect.done) > 1


def test_garbage_is_the_same_each_time():
    """Garbage is 16 KiB, the same each time, and then the connection hangs."""
    done = []
    for _ in range(2):
        suspect = Suspect()
        parseFault("garbage").reaches(suspect, "session")
        told, data, end = suspect.done
        assert (told, len(data), end) == ("told garbage", 16 * 1024, "hang")
        done.append(data)
    assert done[0] == done[1]
    assert not done[0].startswith(b"SSH-")


@pytest.mark.parametrize("size", [1, 66, 67, 68, 4096, 250_000])
def test_banner_size(size):
    """A banner has as many bytes as it should, in lines, and is shown once a connection."""
    fault, suspect = parseFault(f"big-banner={size}"), Suspect()
    assert not any(fault.reaches(suspect, stage) for stage in ("version", "auth", "auth"))
    [banner, told] = suspect.done
    assert (len(banner), told) == (size, f"told big-banner={size}")
    assert all(len(line) <= 80 for line in banner.split(b"\r\n"))
    another = Suspect()
    fault.reaches(another, "auth")
    assert another.done == suspect.done


def test_usual_banner():
    """Unless its size is said, a banner has 32000 bytes."""
    suspect = Suspect()
    parseFault("big-banner").reaches(suspect, "auth")
    assert len(suspect.done[0]) == 32_000


def test_drop_after_counts_each_connection():
    """Bytes are counted for each connection by itself, and never more than there are."""
    fault = parseFault("drop-after=10")
    one, another = Suspect(), Suspect()
    assert [fault.carries(one, size) for size in (0, 4, 5, 0)] == [None] * 4
    assert fault.carries(another, 9) is None
    assert fault.carries(one, 100) == 1
    assert fault.carries(one, 1) == 0
    assert fault.carries(another, 1) == 1


def test_least_cut_counts():
    """Of several faults that cut, the one that leaves least counts, and all of them count on."""
    faults = list(map(parseFault, ["drop-after=100", "exit=1", "drop-after=10", "drop-after=10"]))
    suspect = Suspect()
    assert cut(faults, suspect, 9) == (9, None)
    assert cut(faults, suspect, 200) == (1, faults[2])
    assert cut(faults[:1], Suspect(), 99) == (99, None)
    assert cut(faults[:1], suspect, 1) == (0, faults[0])
    assert cut([], suspect, 5) == (5, None)


def test_denials_are_counted():
    """So many logins are denied, and no more."""
    fault = parseFault("deny=2")
    assert [fault.denies() for _ in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("written", "chosen"),
    [
        *((f"{name}={stage}", True) for name in ("hang", "drop-at") for stage in ("auth",)),
        *((f"{name}={stage}", False) for name in ("hang", "garbage") for stage in ("version",)),
        *(("drop-at=kex", False), ("garbage", True), ("new-host-key", False), ("slow=1", True)),
        *(("drop-after=1", True), ("deny=1", True), ("exit=1", True), ("signal=HUP", True)),
        *(("stall-window", True), ("big-banner", True), ("hang=session", True)),
    ],
)
def test_chosen_by_user_name(written, chosen):
    """By user name one chooses what comes when that is known; the rest is said to be too early."""
    user, own, mistake = InForce(byUserName=True).split(b"user+" + written.encode())
    assert user == b"user"
    assert list(map(str, own)) == ([written] if chosen else [])
    assert ("it comes before the user's name is known" in mistake) != chosen


@pytest.mark.parametrize(
    ("name", "user", "own", "mistake"),
    [
        (b"user", b"user", [], ""),
        (b"a+b", b"a+b", [], ""),
        (b"a+b=c+", b"a+b=c+", [], ""),
        (b"+", b"+", [], ""),
        (b"", b"", [], ""),
        (b"a+b+exit=3", b"a+b", ["exit=3"], ""),
        (b"u+exit=3+slow=0.5", b"u", ["exit=3", "slow=0.5"], ""),
        (b"+exit=3", b"", ["exit=3"], ""),
        (b"\xff\xfe+exit=3", b"\xff\xfe", ["exit=3"], ""),
        (b"\xc3\xbc+stall-window", b"\xc3\xbc", ["stall-window"], ""),
        (b"u+exit", b"u", [], "the fault exit: exit=STATUS: it is a whole number"),
        (b"u+exit=x+slow=1", b"u", ["slow=1"], "the fault exit=x: exit=STATUS: "),
        (b"u+exit=3+b", b"u", ["exit=3"], "the fault b: there is no such fault"),
        (b"u+exit=\x1b[2J", b"u", [], "the fault exit=\\x1b[2J: "),
    ],
)
def test_split(name, user, own, mistake):
    """Faults begin behind the first plus that one's name follows; what is wrong there is said."""
    found, faults, said = InForce(byUserName=True).split(name)
    assert (found, list(map(str, faults))) == (user, own)
    assert said.startswith(mistake)
    assert bool(said) == bool(mistake)


def test_no_split():
    """Where nobody chooses by user name, a name is a name."""
    assert InForce().split(b"user+exit=3") == (b"user+exit=3", [], "")


def test_from_the_command_line():
    """Faults of the command line are in force for everybody; None lets clients choose."""
    made = inForce([parseFault("exit=3"), parseFault("slow=1")])
    assert names(made, Suspect()) == ["exit=3", "slow=1"]
    assert made.split(b"u+exit=3")[0] == b"u+exit=3"
    made = inForce([None, parseFault("exit=3")])
    assert names(made, Suspect(b"u", "deny=1")) == ["exit=3", "deny=1"]
    assert made.split(b"u+exit=3")[0] == b"u"


def test_begin_and_end():
    """A fault is in force from its begin to its end, which may come twice; connections hear it."""
    force, suspect, order = InForce(), Suspect(), Order(parseFault("exit=3"))
    force.enters(suspect)
    assert names(force, suspect) == []
    force.begin(order)
    assert names(force, suspect) == ["exit=3"]
    force.end(order)
    force.end(order)
    assert (names(force, suspect), suspect.ended) == ([], 1)
    force.begin(Order(parseFault("exit=4")))
    force.begin(Order(parseFault("exit=5")))
    force.clear()
    assert names(force, suspect) == []


def test_for_a_user():
    """A fault for a user is for their connections alone, once they have said who they are."""
    force, suspect = InForce(), Suspect()
    force.begin(Order(parseFault("exit=3"), b"bob"))
    force.enters(suspect)
    assert names(force, suspect) == []
    suspect.user = b"alice"
    assert names(force, suspect) == []
    suspect.user = b"bob"
    assert names(force, suspect) == ["exit=3"]


def test_for_so_many_connections():
    """A fault for N connections is for the next N, and for no connection that is open."""
    force, before = InForce(), Suspect()
    force.enters(before)
    force.begin(Order(parseFault("exit=3"), connections=2))
    later = [Suspect() for _ in range(4)]
    for suspect in later:
        force.enters(suspect)
        suspect.user = b"user"
        force.enters(suspect)  # as it says whose it is
    assert names(force, before) == []
    assert [names(force, suspect) for suspect in later] == [["exit=3"], ["exit=3"], [], []]


def test_for_so_many_connections_of_a_user():
    """Connections of others do not count where a fault is for N connections of one user."""
    force = InForce()
    force.begin(Order(parseFault("exit=3"), b"bob", 1))
    seen = []
    for user in (b"alice", b"bob", b"bob"):
        suspect = Suspect()
        force.enters(suspect)
        suspect.user = user
        force.enters(suspect)
        force.enters(suspect)
        seen.append(names(force, suspect))
    assert seen == [[], ["exit=3"], []]


@pytest.mark.parametrize(
    ("fault", "more", "why"),
    [
        *(
            (fault, {"user": b"u"}, f"{fault} comes before")
            for fault in ("hang=kex", "garbage=kex")
        ),
        ("new-host-key", {"user": b"u", "connections": 1}, "new-host-key comes before the user's"),
        ("exit=3", {"connections": 0}, "connections=0: it is a number from 1"),
        ("exit=3", {"connections": -1}, "connections=-1: it is a number from 1"),
    ],
)
def test_for_nobody(fault, more, why):
    """A fault that nobody would ever be shown is refused."""
    with pytest.raises(ValueError, match=why):
        Order(parseFault(fault), **more)


def test_gone_connections_are_forgotten():
    """What is in force keeps no connection that is gone."""
    force = InForce()
    order = Order(parseFault("exit=3"), connections=5)
    force.begin(order)
    force.enters(Suspect())
    assert not order.chosen
    assert not force._connections


class Delayed:
    """Things that are done late, with a delay that changes."""

    def __init__(self, delay):
        self.clock = Clock()
        self.delay = delay
        self.paces = []
        self.late = Late(self.clock, lambda: self.delay, self.paces.append)
        self.done = []

    def do(self, *things):
        for thing in things:
            self.late.do(lambda thing=thing: self.done.append((self.clock.seconds(), thing)))
        return self


def test_not_late():
    """Without a delay a thing is done at once."""
    assert Delayed(0).do("a", "b").done == [(0, "a"), (0, "b")]


def test_late():
    """Each thing is done after the delay, counted from when it was handed in."""
    delayed = Delayed(2).do("a")
    delayed.clock.advance(1)
    delayed.do("b")
    assert delayed.done == []
    delayed.clock.pump([0.5, 0.5, 0.5, 0.5])
    assert delayed.done == [(2, "a"), (3, "b")]
    assert delayed.clock.getDelayedCalls() == []


def test_late_in_order():
    """A delay that ends lets nothing overtake what waits."""
    delayed = Delayed(2).do("a")
    delayed.delay = 0
    delayed.do("b")
    assert delayed.done == []
    delayed.clock.advance(2)
    delayed.clock.advance(0)
    delayed.do("c")
    assert [thing for _, thing in delayed.done] == ["a", "b", "c"]


def test_finished():
    """What waits when the end comes is done at once, whether the end comes from it or not."""
    delayed = Delayed(1).do("a", "b")
    delayed.late.finish()
    delayed.late.finish()
    assert delayed.done == [(0, "a"), (0, "b")]
    delayed.late.do(delayed.late.finish)
    delayed.do("c")
    delayed.clock.advance(1)
    assert delayed.done[2:] == [(1, "c")]
    assert delayed.clock.getDelayedCalls() == []


def test_finished_after_a_mishap():
    """What breaks at the end does not keep the rest from being done."""
    delayed = Delayed(1)
    delayed.late.do(lambda: 1 / 0)
    delayed.do("b")
    delayed.late.finish()
    assert delayed.done == [(0, "b")]


def test_much_waits():
    """When more than 64 KiB wait that is said, and when no more than that do."""
    delayed = Delayed(1)
    for size in (1 << 15, 1 << 15, 1, 1):
        delayed.late.do(bool, size)
    assert delayed.paces == [True]
    delayed.clock.advance(1)
    assert delayed.paces == [True, False]


def test_late_after_a_mishap():
    """What breaks does not keep the rest from being done."""
    delayed = Delayed(1)
    delayed.late.do(lambda: 1 / 0)
    delayed.do("b")
    with pytest.raises(ZeroDivisionError):
        delayed.clock.advance(1)
    delayed.clock.advance(0)
    assert [thing for _, thing in delayed.done] == ["b"]

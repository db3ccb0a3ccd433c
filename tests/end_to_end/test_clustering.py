"""What `scripts/deploy/cluster --measure` makes of what it has measured."""

from clustering.measuring import Use, logins, probing, sessions, table

BEFORE = Use(
    cpu={"nodes": 1.0, "haproxy": 2.0, "postgresql": 3.0},
    memory={"nodes": 1000.0, "haproxy": 2000.0, "postgresql": 3000.0},
    kernel=5000.0,
)
AFTER = Use(
    cpu={"nodes": 1.2, "haproxy": 2.1, "postgresql": 3.05},
    memory={"nodes": 2200.0, "haproxy": 2350.0, "postgresql": 3000.0},
    kernel=7000.0,
)


def test_logins():
    """The CPU of all logins is shared out among them, for each program."""
    assert logins("a login", BEFORE, AFTER, 100) == [
        ("a login: CPU ms, nodes", "2.00"),
        ("a login: CPU ms, haproxy", "1.00"),
        ("a login: CPU ms, postgresql", "0.50"),
    ]


def test_sessions():
    """So is the memory of all sessions, and the kernel's among the four sockets of each."""
    assert sessions(BEFORE, AFTER, 100) == [
        ("an idle session: KiB, nodes", "12.0"),
        ("an idle session: KiB, haproxy", "3.5"),
        ("a socket of it: KiB of the kernel's", "5.0"),
    ]


def test_probes():
    """A probe's CPU is in microseconds."""
    assert probing(BEFORE, AFTER, 1000) == [
        ("a probe and its answer: CPU us, nodes", "200"),
        ("a probe and its answer: CPU us, haproxy", "100"),
    ]


def test_table():
    """The table is Markdown."""
    assert table([("a", "1")]) == "|  | measured |\n| --- | --- |\n| a | 1 |"

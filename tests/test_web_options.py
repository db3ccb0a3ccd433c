"""The options of the web side, and where its page may be served."""

import pytest
from helpers import Loopback
from twisted.python.usage import UsageError

from sshecho.service.start import StartError
from sshecho.tap import Options, makeService

ADMIN = ("--auth", "memory:ann:secret", "--admin", "ann")


def parse(*arguments) -> Options:
    options = Options()
    options.parseOptions(["--ssh", "off", *arguments])
    return options


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--admin", "ann"], "--admin: the page is at the endpoint of --metrics"),
        (["--metrics", "off", "--admin", "ann"], "--admin: the page is at the endpoint"),
        (["--metrics", "tcp:1", "--admin", "user"], "--admin: everybody knows"),
        (["--metrics", "tcp:1", "--admin-host", "x"], "--admin-host: there is no page"),
        (["--metrics", "tcp:1", *ADMIN, "--admin-host", "a/b"], "--admin-host a/b: it is NAME or"),
        (["--metrics", "haproxy:tcp:1"], "--metrics haproxy:tcp:1: a PROXY header"),
        (
            ["--metrics", "tcp:1", "--auth", "anonymous", "--admin", "ann"],
            "--admin: a browser shows a password",
        ),
    ],
)
def test_usage(arguments, why):
    """What makes no sense is said in one line."""
    with pytest.raises(UsageError) as caught:
        parse(*arguments)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_off():
    """Without --metrics nothing but the doors listens."""
    for arguments in ([], ["--metrics", "off"]):
        reactor = Loopback()
        makeService(parse(*arguments), reactor).startService()
        assert [port for port, *_ in reactor.tcpServers] == [8000]


def start(*arguments):
    house = makeService(parse(*arguments), reactor := Loopback())
    house.privilegedStartService()
    house.startService()
    return reactor


@pytest.mark.parametrize(
    "endpoint", ["tcp:9222", "tcp:9222:interface=192.0.2.1", "unix:/nowhere/web"]
)
def test_the_page_is_not_for_others_in_plain_text(endpoint):
    """Where others could read passwords on their way to the page, the server does not start."""
    with pytest.raises(StartError) as caught:
        start("--metrics", endpoint, *ADMIN)
    why = "--admin needs an ssl: endpoint, unless it is on loopback"
    assert caught.value.why == f"the web door at {endpoint}: {why}"


def test_where_the_page_is_served():
    """On loopback it is served in plain text, the metrics anywhere, and both beside the doors."""
    for arguments in (
        ("--metrics", "tcp:9222:interface=127.0.0.1", *ADMIN),
        ("--metrics", "tcp:9222"),
    ):
        ports = [port for port, *_ in start(*arguments).tcpServers]
        assert sorted(ports) == [8000, 9222]

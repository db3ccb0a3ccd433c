"""Netmiko: a switch, as far as its prompts and what it says to some commands."""

import re

import pytest

netmiko = pytest.importorskip("netmiko")

pytestmark = pytest.mark.sshecho(prompt="switch>", dumb_terminal=True, greeting="")

VERSION = """\
Cisco IOS Software, C2960 Software, Version 15.2(7)E7
switch uptime is 3 weeks
"""


@pytest.fixture
def switch(sshecho):
    """The server, as a switch."""
    sshecho.respond(re.compile(".*"), "")  # of several that fit, the last one counts
    sshecho.respond("show version", VERSION)
    sshecho.respond("show clock", "% Invalid input detected at '^' marker.\n")
    sshecho.respond("enable", ask="Password: ", prompt="switch#")
    sshecho.respond("configure terminal", prompt="switch(config)#")
    sshecho.respond(re.compile("end|disable"), prompt="switch#")
    sshecho.respond("exit", exit_status=0)
    return sshecho


def connect(switch, **options):
    """Connect as the code that is tested does."""
    return netmiko.ConnectHandler(
        device_type="cisco_ios",
        host=switch.host,
        port=switch.port,
        username=switch.user,
        password=switch.password,
        secret="hush",
        ssh_strict=True,
        alt_host_keys=True,
        alt_key_file=str(switch.known_hosts),
        **options,
    )


def test_show(switch):
    """It runs a command, with nothing of the prompt in what it returns."""
    with connect(switch) as connection:
        assert connection.find_prompt() == "switch>"
        assert connection.send_command("show version") == VERSION.rstrip()
    [session] = switch.sessions
    assert (session.request, session.window) == ("shell", (511, 1000))


def test_configure(switch):
    """It becomes privileged by a password, and configures."""
    with connect(switch) as connection:
        connection.enable()
        said = connection.send_config_set(["interface Gi0/1", "shutdown"])
    assert "switch(config)#shutdown" in said
    lines = [line for line in switch.sessions[0].input.decode().split("\n") if line]
    assert lines[-7:] == [
        *("enable", "hush", "configure terminal", "interface Gi0/1", "shutdown", "end", "exit")
    ]


def test_error(switch):
    """A command that the switch does not know is an error where it was asked for."""
    with connect(switch) as connection, pytest.raises(netmiko.ConfigInvalidException):
        connection.send_config_set(["show clock"], error_pattern="% Invalid")


def test_question(switch):
    """It answers what the switch asks before it does something."""
    switch.respond("reload", prompt="Proceed with reload? [confirm]")
    switch.respond("y", "Reload requested\n", exit_status=0)
    connection = connect(switch)
    assert "Proceed" in connection.send_command("reload", expect_string=r"\[confirm\]")
    connection.write_channel("y\n")
    assert "Reload requested" in connection.read_until_pattern("requested")
    connection.disconnect()
    assert switch.sessions[0].exit_status == 0


def test_wrong_secret(switch):
    """A secret that the switch does not take leaves it where it was."""
    switch.respond("enable", ask="Password: ", stdout="% Bad secrets\n")
    with connect(switch) as connection:
        with pytest.raises(ValueError, match="enable"):
            connection.enable()
        assert connection.find_prompt() == "switch>"
    assert b"enable\nhush\n" in switch.sessions[0].input


def test_slow(switch):
    """A switch that takes too long is given up."""
    switch.respond("show tech-support", after=1)
    with connect(switch, fast_cli=True) as connection, pytest.raises(netmiko.ReadTimeout):
        connection.send_command("show tech-support", read_timeout=0.3)


def test_denied(switch):
    """A wrong password is an error of its own."""
    switch.misbehave("deny", 1)
    with pytest.raises(netmiko.NetmikoAuthenticationException):
        connect(switch)

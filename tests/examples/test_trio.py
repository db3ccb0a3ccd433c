"""Trio: has no SSH client of its own, so one that blocks runs in threads."""

import pytest

trio = pytest.importorskip("trio")
paramiko = pytest.importorskip("paramiko")


def run(server, command):
    """Run a command, and return what it says; this blocks."""
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(server.known_hosts))
        key = {"key_filename": str(server.private_key), "look_for_keys": False}
        client.connect(server.host, server.port, server.user, allow_agent=False, **key)
        return client.exec_command(command)[1].read().decode()


def test_beside_each_other(sshecho):
    """Commands run beside each other."""
    said = {}

    async def note(command):
        said[command] = await trio.to_thread.run_sync(run, sshecho, command)

    async def main():
        async with trio.open_nursery() as nursery:
            for command in ("one", "two"):
                nursery.start_soon(note, command)

    trio.run(main)
    assert said == {"one": "one\n", "two": "two\n"}


def test_given_up(sshecho):
    """A command that does not end keeps no other from it, and is given up."""
    sshecho.respond("sleep 60", after=60)

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                lambda: trio.to_thread.run_sync(run, sshecho, "sleep 60", abandon_on_cancel=True)
            )
            await trio.to_thread.run_sync(sshecho.wait_for, "session.open")
            assert await trio.to_thread.run_sync(run, sshecho, "hello") == "hello\n"
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert sshecho.sessions[0].open

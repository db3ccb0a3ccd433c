"""Trio: has no SSH client of its own, so one that blocks runs in threads."""

import functools

import pytest

trio = pytest.importorskip("trio")
paramiko = pytest.importorskip("paramiko")


def run(server, command):
    """Run a command, and return what it says; this blocks."""
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(server.known_hosts))
        client.connect(server.host, server.port, server.user, key_filename=str(server.private_key))
        return client.exec_command(command)[1].read().decode()


def test_beside_each_other(sshecho):
    """Commands run beside each other, and none is waited for that is given up."""
    sshecho.respond("sleep 60", after=60)

    async def main():
        said = []

        async def note(command):
            said.append(await trio.to_thread.run_sync(run, sshecho, command))

        with trio.move_on_after(10) as scope:
            async with trio.open_nursery() as nursery:
                hang = functools.partial(trio.to_thread.run_sync, abandon_on_cancel=True)
                nursery.start_soon(hang, run, sshecho, "sleep 60")
                for command in ("one", "two"):
                    nursery.start_soon(note, command)
                while len(said) < 2:
                    await trio.sleep(0.01)
                await trio.to_thread.run_sync(
                    lambda: sshecho.wait_for("session.open", command="sleep 60")
                )
                nursery.cancel_scope.cancel()
        assert not scope.cancelled_caught
        return sorted(said)

    assert trio.run(main) == ["one\n", "two\n"]

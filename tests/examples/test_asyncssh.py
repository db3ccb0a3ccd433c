"""asyncssh: under asyncio, where what blocks goes into a thread."""

import asyncio
import functools

import pytest

asyncssh = pytest.importorskip("asyncssh")


def inLoop(test):
    """Run a test in an event loop; pytest-asyncio and anyio do so, too."""

    @functools.wraps(test)
    def run(sshecho):
        asyncio.run(asyncio.wait_for(test(sshecho), 30))

    return run


def connect(server, **options):
    """Connect as the code that is tested does."""
    login = {
        "username": server.user,
        "password": server.password,
        "known_hosts": str(server.known_hosts),
        "client_keys": None,
        "agent_path": None,
        "config": None,
    }
    return asyncssh.connect(server.host, server.port, **{**login, **options})


@inLoop
async def test_command(sshecho):
    """It runs a command with an environment, and learns how it ended."""
    sshecho.respond("make", stdout="cc main.c\n", stderr="main.c: lost\n", exit_status=2)
    async with connect(sshecho) as connection:
        done = await connection.run("make", env={"LANG": "C"})
    assert (done.stdout, done.stderr, done.exit_status) == ("cc main.c\n", "main.c: lost\n", 2)
    [session] = sshecho.sessions
    assert (session.command, session.env) == ("make", {"LANG": "C"})


@inLoop
async def test_key(sshecho):
    """It logs in by key."""
    async with connect(sshecho, client_keys=[str(sshecho.private_key)], password=None):
        assert [login.method for login in sshecho.logins] == ["publickey"]


@inLoop
async def test_many_at_once(sshecho):
    """Sessions go side by side in a connection, each with its answer."""
    for number in range(8):
        sshecho.respond(f"cat {number}", stdout=f"this is {number}")
    async with connect(sshecho) as connection:
        done = await asyncio.gather(*(connection.run(f"cat {each}") for each in range(8)))
    assert [each.stdout for each in done] == [f"this is {each}" for each in range(8)]


@inLoop
async def test_input(sshecho):
    """What it sends comes back, and its end is seen."""
    async with connect(sshecho) as connection:
        done = await connection.run(input="Hi\n")
    assert done.stdout == "Hi\n"
    [session] = sshecho.sessions
    assert (session.request, session.input, session.eof) == ("shell", b"Hi\n", True)


@inLoop
async def test_signal(sshecho):
    """It ends a command by a signal."""
    sshecho.respond("sleep 60", after=60)
    async with connect(sshecho) as connection:
        process = await connection.create_process("sleep 60")
        process.terminate()
        done = await process.wait()
    assert done.exit_signal[0] == "TERM"
    assert sshecho.sessions[0].signals == ["TERM"]


@inLoop
async def test_terminal(sshecho):
    """It has a terminal, which is resized."""
    async with connect(sshecho) as connection:
        process = await connection.create_process(term_type="xterm", term_size=(80, 24))
        process.change_terminal_size(132, 43)
        await asyncio.to_thread(
            sshecho.wait_for, lambda server: len(server.sessions[0].windows) > 1
        )
    [session] = sshecho.sessions
    assert (session.term, session.windows) == ("xterm", [(80, 24), (132, 43)])


@inLoop
async def test_tries_again(sshecho):
    """A connection that is lost is made again."""
    sshecho.misbehave("drop-at", "auth", connections=1)
    for left in (1, 0):
        try:
            async with connect(sshecho) as connection:
                assert (await connection.run("hello")).stdout == "hello\n"
        except (OSError, asyncssh.ConnectionLost):
            assert left
    assert sshecho.connections[0].why == "the fault drop-at=auth"
    assert len(sshecho.logins) == 1


@inLoop
async def test_time_out(sshecho):
    """A server that hangs is left."""
    with sshecho.misbehave("hang", "kex"), pytest.raises((asyncssh.Error, TimeoutError)):
        await connect(sshecho, login_timeout=0.2)


@inLoop
async def test_denied(sshecho):
    """A wrong password is an error of its own."""
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(sshecho, password="wrong")


@inLoop
async def test_another_host_key(sshecho):
    """A server that is not who it was gets no password."""
    with sshecho.misbehave("new-host-key"), pytest.raises(asyncssh.HostKeyNotVerifiable):
        await connect(sshecho)
    assert not sshecho.logins


@pytest.mark.sshecho(kex=["diffie-hellman-group14-sha1"], host_keys=["ssh-rsa"])
@inLoop
async def test_old_server(sshecho):
    """An old server is let in on being asked to."""
    async with connect(sshecho, server_host_key_algs="+ssh-rsa"):
        [connection] = sshecho.connections
        assert connection.algorithms["kex"] == "diffie-hellman-group14-sha1"

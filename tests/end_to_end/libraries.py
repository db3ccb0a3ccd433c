"""Libraries that are SSH clients, made commands: `python libraries.py NAME`.

The visit comes as JSON in SSHECHO_VISIT; see `clients.py`. Each function does a visit with the
data and returns what has come back and the exit status.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import termios
import threading
from pathlib import Path

from clients import HOST, KEY, KEYBOARD_INTERACTIVE, PATIENCE, Visit

CHUNK = 32 * 1024
COLUMNS = 4096


def with_paramiko(visit: Visit, data: bytes) -> tuple[bytes, int]:
    import paramiko

    options = {
        "kex": "kex",
        "host_key": "key_types",
        "cipher": "ciphers",
        "mac": "digests",
        "compression": "compression",
    }
    transport = paramiko.Transport((HOST, visit.port))
    for kind, name in visit.algorithms.items():
        setattr(transport.get_security_options(), options[kind], [name])
    transport.start_client(timeout=PATIENCE)
    known = paramiko.HostKeys(visit.known_hosts)
    assert known.check(f"[{HOST}]:{visit.port}", transport.get_remote_server_key())
    if visit.credential == KEY:
        transport.auth_publickey(visit.user, paramiko.PKey.from_path(visit.key))
    elif visit.credential == KEYBOARD_INTERACTIVE:
        transport.auth_interactive(visit.user, lambda *asked: [visit.password for _ in asked[2]])
    else:
        transport.auth_password(visit.user, visit.password, fallback=False)
    channel = transport.open_session()
    if visit.command is None:
        channel.invoke_shell()
    else:
        channel.exec_command(visit.command)

    def send() -> None:
        channel.sendall(data)
        channel.shutdown_write()

    threading.Thread(target=send, daemon=True).start()
    back = b"".join(iter(lambda: channel.recv(CHUNK), b""))
    status = channel.recv_exit_status()
    transport.close()
    return back, status


def with_asyncssh(visit: Visit, data: bytes) -> tuple[bytes, int]:
    import asyncssh

    options = {
        "kex": "kex_algs",
        "host_key": "server_host_key_algs",
        "cipher": "encryption_algs",
        "mac": "mac_algs",
        "compression": "compression_algs",
        "signature": "signature_algs",
    }

    async def run() -> tuple[bytes, int]:
        async with asyncssh.connect(
            HOST,
            visit.port,
            config=None,
            known_hosts=visit.known_hosts,
            username=visit.user,
            password=visit.password,
            client_keys=[visit.key],
            agent_path=None,
            preferred_auth=visit.credential,
            **{options[kind]: [name] for kind, name in visit.algorithms.items()},
        ) as connection:
            done = await connection.run(visit.command, input=data, encoding=None)
            return done.stdout, done.exit_status

    return asyncio.run(run())


def with_libssh2(visit: Visit, data: bytes) -> tuple[bytes, int]:
    from ssh2.error_codes import LIBSSH2_ERROR_EAGAIN
    from ssh2.session import LIBSSH2_SESSION_BLOCK_OUTBOUND, Session

    connection = socket.create_connection((HOST, visit.port))
    session = Session()
    session.handshake(connection)
    assert session.hostkey()[0] in visit.hostKeys()
    if visit.credential == KEY:
        session.userauth_publickey_fromfile(visit.user, visit.key)
    elif visit.credential == KEYBOARD_INTERACTIVE:
        session.userauth_keyboardinteractive(visit.user, visit.password)
    else:
        session.userauth_password(visit.user, visit.password)
    channel = session.open_session()
    if visit.command is None:
        channel.shell()
    else:
        channel.execute(visit.command)
    session.set_blocking(False)
    unsent = memoryview(data)
    ended = False
    back = bytearray()
    while not channel.eof():
        moved = False
        if unsent:
            _, written = channel.write(bytes(unsent[:CHUNK]))
            unsent = unsent[max(written, 0) :]
            moved = written > 0
        elif not ended:
            ended = moved = channel.send_eof() != LIBSSH2_ERROR_EAGAIN
        size, read = channel.read(CHUNK)
        back += read
        if not moved and size == LIBSSH2_ERROR_EAGAIN:
            writes = session.block_directions() & LIBSSH2_SESSION_BLOCK_OUTBOUND
            select.select([connection], [connection] if writes else [], [], 1)
    session.set_blocking(True)
    channel.close()
    channel.wait_closed()
    return bytes(back), channel.get_exit_status()


def with_libssh(visit: Visit, data: bytes) -> tuple[bytes, int]:
    """The binding asks for a terminal with each shell: so it is sent lines, in base64."""
    from pylibsshext.session import Session

    session = Session()
    credential = (
        {"private_key": Path(visit.key).read_bytes()}
        if visit.credential == KEY
        else {"password": visit.password}
    )
    session.connect(
        host=HOST,
        port=visit.port,
        user=visit.user,
        ssh_dir=f"{visit.home}/.ssh",
        knownhosts=visit.known_hosts,
        look_for_keys=False,
        timeout=PATIENCE,
        **credential,
    )
    channel = session.new_channel()
    if visit.command is None:
        channel.request_pty_size(b"xterm", COLUMNS, 24)  # and the shell
        parts = (data[at : at + COLUMNS // 2] for at in range(0, len(data), COLUMNS // 2))
        lines = b"".join(base64.b64encode(part) + b"\r" for part in parts)
        unsent = memoryview(lines + b"\x04")
    else:
        channel.request_exec(visit.command)
        unsent = memoryview(data)
    back = bytearray()
    while (read := channel.read_nonblocking()) is not None:
        if read:  # before anything is sent: a write does not return while both sides wait
            back += read
        elif unsent:
            channel.write(bytes(unsent[:CHUNK]))
            unsent = unsent[CHUNK:]
        else:
            channel.poll(timeout=100)
    status = channel.get_channel_exit_status()
    channel.close()  # before the session, which would free it too
    session.disconnect()
    if visit.command is not None:
        return bytes(back), status
    rows = back.split(b"\r\n")[1:]  # behind the greeting
    echoed = (row for row in rows if b">" not in row)  # which is in the prompt
    return b"".join(base64.b64decode(row) for row in echoed), status


def with_conch(visit: Visit, data: bytes) -> tuple[bytes, int]:
    """The command of that name.

    It asks for a password at its terminal, and nowhere else; and it drops what comes back behind
    the end of its input, which so has to wait for what is due.
    """
    arguments = ["conch", "-T", "-e", "none", "-p", str(visit.port), "-l", visit.user]
    arguments += ["--known-hosts", visit.known_hosts]
    if visit.credential == KEY:  # the command has an order of its own, and tries a key first
        arguments += ["-i", visit.key]
    end = [] if visit.command is None else [visit.command]
    us, its = os.openpty()
    conch = subprocess.Popen(
        [*arguments, HOST, *end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(its, termios.TIOCSCTTY, 0),
    )
    assert conch.stdin is not None
    assert conch.stdout is not None

    def send() -> None:
        if visit.credential != KEY:
            asked = b""
            while not asked.lower().endswith(b"password: "):
                asked += os.read(us, 1024)
            os.write(us, visit.password.encode() + b"\n")
        conch.stdin.write(data)
        conch.stdin.flush()

    threading.Thread(target=send, daemon=True).start()
    back = b""
    if visit.command is None:
        back = conch.stdout.read(len(data))
        conch.stdin.close()
    return back + conch.stdout.read(), conch.wait()


def main() -> int:
    do = globals()[f"with_{sys.argv[1]}"]
    back, status = do(Visit(**json.loads(os.environ["SSHECHO_VISIT"])), sys.stdin.buffer.read())
    sys.stdout.buffer.write(back)
    sys.stdout.buffer.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())

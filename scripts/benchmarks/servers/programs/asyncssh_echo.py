"""An echo on asyncssh: `asyncssh_echo.py PORT HOST_KEY AUTHORIZED_KEYS`.

Its sessions are callbacks, the quickest of the ways that it has.
"""

import asyncio
import sys

import asyncssh


class EchoSession(asyncssh.SSHServerSession[bytes]):
    """What comes in goes out."""

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self.chan = chan

    def shell_requested(self) -> bool:
        """Have a shell."""
        return True

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Write it back."""
        self.chan.write(data)


class EchoServer(asyncssh.SSHServer):
    """Each session is an echo."""

    def session_requested(self) -> EchoSession:
        """Return one."""
        return EchoSession()


async def main() -> None:
    """Serve."""
    port, hostKey, authorizedKeys = sys.argv[1:]
    await asyncssh.create_server(
        EchoServer,
        "127.0.0.1",
        int(port),
        server_host_keys=[hostKey],
        authorized_client_keys=authorizedKeys,
        encoding=None,
    )
    await asyncio.Event().wait()


asyncio.run(main())

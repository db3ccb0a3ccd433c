#!/usr/bin/env python3
"""Print what each SSH client on this machine does with the server, as a table for the README."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clients import CLIENTS, CREDENTIALS, USES, Client, Visit
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from serving import Server, serving
from wiretap import Hello, Negotiated, wiretap

from sshecho.ssh.hostkeys import PrivateKey

USER = "user"
PASSWORD_OF_USER = "pass"
COLUMNS = ("client", "version", *CREDENTIALS, *USES, "agreed on with nothing asked for")


@dataclass(frozen=True)
class House:
    """A server that has every type of host key, and whose user has every type of key.

    Attributes:
        server: the server.
        folder: `keys/` has the host keys, `users/` the user's, each under its type's name.
    """

    server: Server
    folder: Path

    @property
    def port(self) -> int:
        """Where the SSH door is."""
        assert self.server.ssh_port is not None
        return self.server.ssh_port

    def visit(
        self,
        port: int,
        credential: str,
        command: str | None,
        key: str = "ssh-ed25519",
        algorithms: Mapping[str, str] | None = None,
    ) -> Visit:
        """Return a visit of the user's, with a home of its own."""
        home = tempfile.mkdtemp(dir=self.folder)
        keyFile = str(self.folder / "users" / key)
        visit = Visit(
            home, port, USER, credential, PASSWORD_OF_USER, keyFile, command, algorithms or {}
        )
        visit.knowHost([path.read_text().strip() for path in (self.folder / "keys").glob("*.pub")])
        return visit


def makeKeys(folder: Path) -> None:
    """Write host keys and user keys of every type, and the user's authorized_keys."""
    for name, pattern in (("keys", "ssh_host_{}_key"), ("users", "{}")):
        (folder / name).mkdir(mode=0o700)
        private: PrivateKey
        for kind, private in (
            ("ssh-ed25519", ed25519.Ed25519PrivateKey.generate()),
            ("ecdsa-sha2-nistp256", ec.generate_private_key(ec.SECP256R1())),
            ("ecdsa-sha2-nistp384", ec.generate_private_key(ec.SECP384R1())),
            ("ecdsa-sha2-nistp521", ec.generate_private_key(ec.SECP521R1())),
            ("ssh-rsa", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        ):
            path = folder / name / pattern.format(kind)
            path.touch(mode=0o600)
            path.write_bytes(
                private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
            )
            public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
            Path(f"{path}.pub").write_bytes(public + b"\n")
    authorized = folder / "authorized_keys"
    authorized.touch(mode=0o600)
    authorized.write_text("".join(path.read_text() for path in (folder / "users").glob("*.pub")))


@contextmanager
def house(folder: Path, algorithms: str) -> Iterator[House]:
    """Serve the keys in a folder until the end of the block."""
    options = ["--line", "off", "--algorithms", algorithms]
    options += ["--auth", f"memory:{USER}:{PASSWORD_OF_USER}"]
    options += ["--auth", f"keys:{USER}={folder}/authorized_keys"]
    with serving(folder, *options) as server:
        yield House(server, folder)


def title(client: Client) -> str:
    """Return what stands in a client's first column."""
    modern = client.algorithms == "modern"
    return client.name + ("" if modern else f", with `--algorithms {client.algorithms}`")


def introduce(client: Client, place: House) -> tuple[Hello, Negotiated]:
    """Return what a client says of itself, and what it and the server agree on."""
    with wiretap(place.port) as tap:
        client.visit(place.visit(tap.port, CREDENTIALS[0], "hello"))
    return tap.client, tap.negotiated


def row(client: Client, place: House) -> list[str]:
    """Return a client's row of the table."""
    hello, agreed = introduce(client, place)
    failed = set()
    for credential in CREDENTIALS:
        for name, use in USES.items():
            if credential in client.credentials:
                outcome = client.visit(place.visit(place.port, credential, use.command), use.data)
                if (outcome.output, outcome.status) != (use.due, 0):
                    failed |= {credential, name}
                    print(f"{client.name}: {credential}, {name}: {outcome.said}", file=sys.stderr)
    return [
        title(client),
        f"`{hello.version.split()[0]}`",
        *("fails" if x in failed else client.can(x) for x in (*CREDENTIALS, *USES)),
        f"{agreed.kex}, {agreed.host_key}, {agreed.cipher}, {agreed.mac}",
    ]


def main() -> int:
    """Print the table; return 1 if a client fails at what it can do."""
    argparse.ArgumentParser(prog="scripts/clients", description=__doc__).parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        makeKeys(folder)
        with house(folder, "modern") as modern, house(folder, "compatible") as compatible:
            places = {"modern": modern, "compatible": compatible}
            for client in CLIENTS:
                if client.missing():
                    absent = f"not on this machine: {', '.join(client.missing())}"
                    rows.append([title(client), absent, *[""] * (len(COLUMNS) - 2)])
                else:
                    rows.append(row(client, places[client.algorithms]))
    for cells in [list(COLUMNS), ["---"] * len(COLUMNS), *rows]:
        print(f"| {' | '.join(cells)} |")
    return int(any("fails" in cells for cells in rows))


if __name__ == "__main__":
    sys.exit(main())

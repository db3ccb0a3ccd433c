"""Host keys, from the client's side: is this the server that it should be?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import IPv6Address, ip_address

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key

from sshecho.cred.keyname import fingerprint, nameKey
from sshecho.probe.attempt import ProbeError, ShownKey
from sshecho.probe.knownhosts import KnownKey
from sshecho.probe.target import Target

SIGNATURES: dict[bytes, bytes] = {
    b"ssh-ed25519": b"ssh-ed25519",
    b"ecdsa-sha2-nistp256": b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384": b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521": b"ecdsa-sha2-nistp521",
    b"rsa-sha2-512": b"ssh-rsa",
    b"rsa-sha2-256": b"ssh-rsa",
}
"""What a host key may sign with (RFC 8332), best first, and the type of the key that does."""

_LARGEST_KEY = 8 * 1024
_SMALLEST_RSA = 2048
_SSH_PORT = 22


class HostKeys:
    """Whom to believe.

    A pinned key is believed and no other. Else one that is known for this host, and when the host
    is known, no other; a host that is not known is believed on loopback only.

    Args:
        target: the host.
        known: the lines of the files of known hosts.
        pins: fingerprints, ``SHA256:...``.
    """

    def __init__(
        self, target: Target, known: Sequence[KnownKey] = (), pins: Collection[str] = ()
    ) -> None:
        self._pins = {pin.rstrip("=") for pin in pins}
        self._target = target
        host = target.host.lower()
        plain = target.port == _SSH_PORT
        name = host if plain else f"[{host}]:{target.port}"
        self._known = [key for key in known if key.isFor(name)]
        # As with ssh, a key that is known for the host does for all of its ports.
        self._elsewhere = [key for key in known if not plain and key.isFor(host)]

    def algorithms(self) -> list[bytes]:
        """What to ask the server to sign with, best first: for a known host, with a known key."""
        types = {key.type for key in self._known or self._elsewhere if not key.revoked}
        return sorted(SIGNATURES, key=lambda name: SIGNATURES[name] not in types)

    def show(self, blob: bytes, algorithm: bytes) -> ShownKey:
        """Return a key as people see it, not yet trusted.

        Args:
            blob: the public key that a server shows (RFC 4253, section 6.6).
            algorithm: what it will sign with, as was agreed on.

        Raises:
            ProbeError: when it is none that can be trusted at all.
        """
        if len(blob) > _LARGEST_KEY or not blob.startswith(NS(SIGNATURES[algorithm])):
            raise ProbeError("host key: not of the type that was agreed on", final=True)
        try:
            key = Key.fromString(blob, "blob")
        except Exception:  # whatever the parser meets in it
            raise ProbeError("host key: it can't be read", final=True) from None
        if key.type() == "RSA" and key.size() < _SMALLEST_RSA:
            raise ProbeError(f"host key: {key.size()} bits are too few for RSA", final=True)
        name = nameKey(blob)
        return ShownKey(name.type, name.fingerprint, trust=None)

    def trust(self, blob: bytes, peer: str) -> str:
        """Decide about a key.

        Args:
            blob: the public key.
            peer: the address that we are connected to.

        Returns:
            Why it is believed: ``pinned``, ``known`` or ``loopback``.

        Raises:
            ProbeError: when it is not, with what can be done.
        """
        shown = fingerprint(blob)
        if self._pins:
            if shown in self._pins:
                return "pinned"
            raise ProbeError(f"host key {shown} is not the one of --host-key", final=True)
        for key in self._known + self._elsewhere:
            if key.revoked and key.blob == blob:
                raise ProbeError(f"host key {shown} is revoked in {key.where}", final=True)
        here = [key for key in self._known if not key.revoked]
        if any(key.blob == blob for key in here or self._elsewhere):
            return "known"
        if here:
            why = f"host key {shown} is not the one known for this host in {here[0].where}"
            raise ProbeError(why, final=True)
        if isLoopback(peer):
            return "loopback"
        raise ProbeError(
            f"host key {shown} is unknown; if it is the right one, give --host-key {shown}, or "
            f"add it to the known hosts with ssh-keyscan",
            final=True,
        )


def isLoopback(address: str) -> bool:
    """Whether an IP address is one of this machine alone."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return (mapped or ip).is_loopback

"""Credentials: what Twisted's lack."""

from __future__ import annotations

from twisted.cred.credentials import SSHPrivateKey


class PublicKey(SSHPrivateKey):
    """A public key that a client showed (ISSHPrivateKey), and where the client is.

    Args:
        username: who the client says it is.
        algName: the signature algorithm, such as ``b"rsa-sha2-256"``.
        blob: the public key (RFC 4253, section 6.6).
        sigData: what was signed; None when nothing is signed yet.
        signature: its signature; None when nothing is signed yet.
        address: the client's IP address; None when it is not known.
    """

    def __init__(
        self,
        username: bytes,
        algName: bytes,
        blob: bytes,
        sigData: bytes | None,
        signature: bytes | None,
        address: str | None,
    ) -> None:
        super().__init__(username, algName, blob, sigData, signature)
        self.address = address

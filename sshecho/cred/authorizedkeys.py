"""OpenSSH's authorized_keys: a line for each key, and what may be done with it (sshd(8))."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.conch.error import ValidPublicKey
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key
from twisted.cred.credentials import SSHPrivateKey
from twisted.cred.error import UnauthorizedLogin

from sshecho.cred.identity import Identity
from sshecho.cred.keyoptions import KeyOptions, parseOptions, splitOptions

KEY_TYPES = (
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"ssh-rsa",
)
RSA_BITS = range(2048, 8192 + 1)


@dataclass(frozen=True)
class AuthorizedKey:
    """A key that lets somebody in.

    Attributes:
        blob: the key (RFC 4253, section 6.6).
        options: when, from where and for what.
    """

    blob: bytes
    options: KeyOptions


def parseAuthorizedKeys(
    name: str, text: bytes, warn: Callable[[str], None]
) -> Sequence[AuthorizedKey]:
    """Parse lines of authorized_keys.

    A line that can't be used, or asks for what is not known here, is left out with a warning:
    it lets nobody in.

    Args:
        name: what to call the lines in a warning.
        text: the lines.
        warn: takes a warning.
    """
    if text.startswith(b"-----BEGIN"):
        warn(f"{name}: a private key; what belongs here is in the .pub beside it")
        return []
    keys = []
    for number, line in enumerate(text.split(b"\n"), 1):
        line = line.strip()
        if not line or line.startswith(b"#"):
            continue
        try:
            keys.append(_parseLine(line))
        except ValueError as error:
            warn(f"{name}: line {number} is left out: {error}")
    return keys


def _parseLine(line: bytes) -> AuthorizedKey:
    words = line.split()
    if words[0] in KEY_TYPES:
        return AuthorizedKey(_parseKey(words), KeyOptions())
    options, rest = splitOptions(line)
    words = rest.split()
    if not words or words[0] not in KEY_TYPES:
        raise ValueError("it has no key of a type that is accepted here")
    return AuthorizedKey(_parseKey(words), parseOptions(options))


def _parseKey(words: list[bytes]) -> bytes:
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        raise ValueError("the key is damaged") from None
    if not blob.startswith(NS(words[0])):
        raise ValueError("the key is of another type than the line says")
    try:
        key = Key.fromString(blob, type="BLOB")
    except Exception:
        raise ValueError("the key is damaged") from None
    if key.type() == "RSA" and key.size() not in RSA_BITS:
        raise ValueError(f"an RSA key of {key.size()} bits; 2048 to 8192 are accepted")
    return blob


def authorise(
    user: bytes, keys: Sequence[AuthorizedKey], credentials: SSHPrivateKey, now: float
) -> Identity:
    """Return who has shown a key that is theirs. Verifies a signature, which belongs in a thread.

    Only a key that is listed is ever parsed.

    Args:
        user: the user's name, as their store has it.
        keys: the user's.
        credentials: what the client showed; its ``address`` is where it is.
        now: the time, in seconds since 1970.

    Raises:
        ValidPublicKey: when the key lets the user in, but nothing is signed with it yet.
        UnauthorizedLogin: when it does not, or did not sign.
    """
    why = "the key is not listed"
    address = getattr(credentials, "address", None)
    for key in keys:
        if key.blob != credentials.blob:
            continue
        refusal = key.options.refusal(address, now)
        if refusal is None:
            break
        why = refusal  # another line may have the same key on other terms
    else:
        raise UnauthorizedLogin(why)
    if not credentials.signature:
        raise ValidPublicKey
    if not Key.fromString(key.blob, type="BLOB").verify(credentials.signature, credentials.sigData):
        raise UnauthorizedLogin("the signature is wrong")
    return Identity(user, key.options.terms)

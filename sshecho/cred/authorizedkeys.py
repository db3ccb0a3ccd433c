"""OpenSSH's authorized_keys: a line for each key, and what may be done with it (sshd(8))."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from twisted.conch.error import ValidPublicKey
from twisted.cred.credentials import SSHPrivateKey
from twisted.cred.error import UnauthorizedLogin

from sshecho.cred.certificate import isCertificate, judge, parseCertificate
from sshecho.cred.identity import Identity
from sshecho.cred.keyoptions import KeyOptions, parseOptions, splitOptions
from sshecho.cred.publickey import KEY_TYPES, isSecurityKey, keyTypeOf, loadKey
from sshecho.cred.signature import verify


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
    for number, line in keyLines(text):
        try:
            keys.append(_parseLine(line))
        except ValueError as error:
            warn(f"{name}: line {number} is left out: {error}")
    return keys


def keyLines(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is for a key, with its number: not blank, and no comment."""
    for number, line in enumerate(text.split(b"\n"), 1):
        line = line.strip()
        if line and not line.startswith(b"#"):
            yield number, line


def _parseLine(line: bytes) -> AuthorizedKey:
    words = line.split()
    if words[0] in KEY_TYPES:
        return AuthorizedKey(parseKey(words), KeyOptions())
    options, rest = splitOptions(line)
    return AuthorizedKey(parseKey(rest.split()), parseOptions(options))


def parseKey(words: Sequence[bytes]) -> bytes:
    """Return the key's blob that the words of a line begin with.

    Raises:
        ValueError: when they don't, or the key is none that is taken.
    """
    if not words or words[0] not in KEY_TYPES:
        raise ValueError("it has no key of a type that is accepted here")
    try:
        blob = base64.b64decode(words[1], validate=True)
        keyType = keyTypeOf(blob)
    except (IndexError, ValueError):
        raise ValueError("the key is damaged") from None
    if keyType != words[0]:
        raise ValueError("the key is of another type than the line says")
    loadKey(blob)
    return blob


def authorise(
    user: bytes, keys: Sequence[AuthorizedKey], credentials: SSHPrivateKey, now: float
) -> Identity:
    """Return who has shown a key that is theirs.

    A signature is verified, which costs no more than a step of the key exchange did.

    Only a key that is listed, or certified by one that is, is ever parsed.

    Args:
        user: the user's name, as their store has it.
        keys: the user's.
        credentials: what the client showed; its ``address`` is where it is.
        now: the time, in seconds since 1970.

    Raises:
        ValidPublicKey: when the key lets the user in, but nothing is signed with it yet.
        UnauthorizedLogin: when it does not, or did not sign.
    """
    address = getattr(credentials, "address", None)
    try:
        key, options = _find(user, keys, credentials.blob, address, now)
        if not credentials.signature:
            raise ValidPublicKey
        attestation = verify(key, credentials.signature, credentials.sigData)
    except ValueError as error:
        raise UnauthorizedLogin(str(error)) from None
    if attestation is not None:
        if options.touchRequired and not attestation.present:
            raise UnauthorizedLogin("the security key was not touched")
        if options.verifyRequired and not attestation.verified:
            raise UnauthorizedLogin("the security key did not verify its user")
    return Identity(user, options.terms)


def _find(
    user: bytes, keys: Sequence[AuthorizedKey], shown: bytes, address: str | None, now: float
) -> tuple[bytes, KeyOptions]:
    """Return the key that has to sign, and on what terms it lets the user in."""
    certificate = parseCertificate(shown) if isCertificate(shown) else None
    if certificate is None:
        key, listed, why = shown, shown, "the key is not listed"
    else:
        key, listed = certificate.key, certificate.authority
        why = "the certificate's authority is not listed"
    for entry in keys:
        options = entry.options
        if entry.blob != listed or options.isAuthority != (certificate is not None):
            continue
        try:
            if certificate is not None:
                principals = (user,) if options.principals is None else options.principals
                options = options.narrowedBy(judge(certificate, principals, now))
        except ValueError as error:
            refusal: str | None = str(error)
        else:
            refusal = options.refusal(address, now)
        if refusal is None and options.verifyRequired and not isSecurityKey(key):
            refusal = "the key can't verify its user"
        if refusal is None:
            return key, options
        why = refusal  # another line may have the same key on other terms
    raise ValueError(why)

"""Options of a line of authorized_keys: when a key may be used, from where, and for what.

Source: sshd(8), "AUTHORIZED_KEYS FILE FORMAT".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sshecho.cred.identity import Terms
from sshecho.cred.sources import Source, isFrom, parseSources

_MATTERLESS = {
    *("agent-forwarding", "no-agent-forwarding"),
    *("port-forwarding", "no-port-forwarding"),
    *("x11-forwarding", "no-x11-forwarding"),
    *("user-rc", "no-user-rc"),
}
"""Flags about what is not to be had here by anyone."""

_MATTERLESS_WITH_VALUE = {"permitopen", "permitlisten", "tunnel"}
_KNOWN = {
    *("pty", "no-pty", "restrict", "from", "command", "expiry-time", "environment"),
    *("no-touch-required", "verify-required", "cert-authority", "principals"),
    *_MATTERLESS,
    *_MATTERLESS_WITH_VALUE,
}

_QUOTED = rb'"((?:\\"|[^"])*+)"'
_OPTIONS = re.compile(rb'(?:[^\s"]|%s)++' % _QUOTED)
_OPTION = re.compile(rb"([A-Za-z0-9-]+)(?:=%s)?(,(?=.)|$)" % _QUOTED, re.DOTALL)
_VARIABLE = re.compile(rb"(\w+)=(.*)", re.DOTALL | re.ASCII)
_TIME = re.compile(rb"(\d{8}(?:\d{4}(?:\d\d)?)?)(Z|UTC)?", re.IGNORECASE)
_TIME_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


@dataclass(frozen=True)
class KeyOptions:
    """What a line, or a certificate, says besides the key.

    Attributes:
        sources: from where the key may be used: the client's address must be in each of these.
        expiry: until when, in seconds since 1970; None for ever.
        terms: what a login with it may do.
        touchRequired: whether a security key must have been touched.
        verifyRequired: whether it must be a security key that knows who touched it.
        isAuthority: whether the key is not a user's, but signs certificates.
        principals: the names of which these must have one; None for the user's own.
    """

    sources: Sequence[Sequence[Source]] = ()
    expiry: float | None = None
    terms: Terms = field(default_factory=Terms)
    touchRequired: bool = True
    verifyRequired: bool = False
    isAuthority: bool = False
    principals: Sequence[bytes] | None = None

    def refusal(self, address: str | None, now: float) -> str | None:
        """Return why the key may not be used, or None if it may.

        Args:
            address: the client's IP address; None when it is not known.
            now: the time, in seconds since 1970.
        """
        if self.expiry is not None and now >= self.expiry:
            return "the key has expired"
        if not all(isFrom(address, sources) for sources in self.sources):
            return "the key is not for this address"
        return None

    def narrowedBy(self, certificate: KeyOptions) -> KeyOptions:
        """Return what holds when an authority with these options has signed a certificate.

        Raises:
            ValueError: when they can't both be followed.
        """
        commands = {self.terms.command, certificate.terms.command} - {None}
        if len(commands) > 1:
            raise ValueError("the certificate's force-command is not the command= of its authority")
        return replace(
            self,
            sources=(*self.sources, *certificate.sources),
            terms=Terms(
                self.terms.pty and certificate.terms.pty,
                next(iter(commands), None),
                self.terms.environment,
            ),
            touchRequired=self.touchRequired or certificate.touchRequired,
            verifyRequired=self.verifyRequired or certificate.verifyRequired,
        )


def splitOptions(line: bytes) -> tuple[bytes, bytes]:
    """Split a line that begins with options into these and the rest.

    Raises:
        ValueError: when a quotation does not end.
    """
    found = _OPTIONS.match(line)
    if found is None or (rest := line[found.end() :])[:1] == b'"':
        raise ValueError("a quotation does not end")
    return found[0], rest.strip()


def parseOptions(text: bytes) -> KeyOptions:
    """Parse options, separated by commas.

    Raises:
        ValueError: for what is no option, or none that is known here: who does not know what
            it asks for can't tell that it is fulfilled.
    """
    sources: list[Source] | None = None
    expiry: float | None = None
    pty = True
    command: bytes | None = None
    environment: dict[bytes, bytes] = {}
    touchRequired = True
    verifyRequired = isAuthority = False
    principals: list[bytes] | None = None
    at = 0
    while at < len(text):
        found = _OPTION.match(text, at)
        if found is None:
            raise ValueError("its options can't be read (values stand in quotation marks)")
        at = found.end()
        name = found[1].decode().lower()
        value = None if found[2] is None else found[2].replace(rb"\"", b'"')
        match name, value:
            case "pty", None:
                pty = True
            case "no-pty" | "restrict", None:
                pty = False
            case "no-touch-required", None:
                touchRequired = False
            case "verify-required", None:
                verifyRequired = True
            case "cert-authority", None:
                isAuthority = True
            case _, None if name in _MATTERLESS:
                pass
            case _, bytes() if name in _MATTERLESS_WITH_VALUE:
                pass
            case "from", bytes():
                _onlyOnce(name, sources)
                sources = parseSources(value)
            case "command", bytes():
                _onlyOnce(name, command)
                command = value
            case "expiry-time", bytes():
                until = _parseTime(value)
                expiry = until if expiry is None else min(expiry, until)
            case "environment", bytes():
                variable = _VARIABLE.fullmatch(value)
                if variable is None:
                    raise ValueError("environment= is not NAME=value")
                environment.setdefault(variable[1], variable[2])
            case "principals", bytes():
                _onlyOnce(name, principals)
                principals = value.split(b",")
                if b"" in principals:
                    raise ValueError("principals= has an empty name")
            case _ if name in _KNOWN:
                wants = "takes no value" if value is not None else "takes a value"
                raise ValueError(f"the option {name} {wants}")
            case _:
                raise ValueError(f"the option {name} is not known here")
    if principals is not None and not isAuthority:
        raise ValueError("principals= is for a cert-authority")
    return KeyOptions(
        () if sources is None else (sources,),
        expiry,
        Terms(pty, command, environment),
        touchRequired,
        verifyRequired,
        isAuthority,
        principals,
    )


def _onlyOnce(name: str, before: object) -> None:
    if before is not None:
        raise ValueError(f"{name}= is there twice")


def _parseTime(value: bytes) -> float:
    found = _TIME.fullmatch(value)
    if found is None:
        raise ValueError("expiry-time= is not YYYYMMDD[HHMM[SS]][Z]")
    digits = found[1].decode()
    try:
        time = datetime.strptime(digits, _TIME_FORMATS[len(digits)])
        return (time.replace(tzinfo=UTC) if found[2] else time).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("expiry-time= is no time") from None

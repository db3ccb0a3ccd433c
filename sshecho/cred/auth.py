"""``--auth TYPE[:ARG]``: from the name of a type to what makes its checkers."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.cred.strcred import ICheckerFactory, InvalidAuthType, findCheckerFactories

from sshecho.cred.anonymous import AnonymousCheckerFactory
from sshecho.cred.certificateauthority import CertificateCheckerFactory
from sshecho.cred.databasechecker import DatabaseCheckerFactory
from sshecho.cred.hashedfile import HashedFileCheckerFactory
from sshecho.cred.keyfiles import KeyFilesCheckerFactory
from sshecho.cred.ldap import LDAPCheckerFactory
from sshecho.cred.memory import MemoryCheckerFactory
from sshecho.cred.passwordfile import PasswordFileCheckerFactory
from sshecho.cred.sshkey import SystemKeysCheckerFactory
from sshecho.cred.unix import UnixCheckerFactory

OURS: tuple[ICheckerFactory, ...] = (
    MemoryCheckerFactory(),
    PasswordFileCheckerFactory(),
    HashedFileCheckerFactory(),
    DatabaseCheckerFactory(),
    KeyFilesCheckerFactory(),
    CertificateCheckerFactory(),
    UnixCheckerFactory(),
    SystemKeysCheckerFactory(),
    LDAPCheckerFactory(),
    AnonymousCheckerFactory(),
)
"""Ours, some of which stand in for Twisted's of the same name, whose flaws they mend."""


def checkerFactories() -> Iterator[ICheckerFactory]:
    """Yield each checker factory there is, one for each name, ours before the plugins."""
    names: set[str] = set()
    for factory in (*OURS, *findCheckerFactories()):
        if factory.authType not in names:
            names.add(factory.authType)
            yield factory


def checkerFactory(authType: str) -> ICheckerFactory:
    """Return the checker factory of a name.

    Raises:
        InvalidAuthType: when there is none.
    """
    for factory in checkerFactories():
        if factory.authType == authType:
            return factory
    raise InvalidAuthType(authType)

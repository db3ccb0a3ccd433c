"""The twistd plugins; the wheel lays this file into twisted/plugins/ as sshecho_dropin.py.

Every ``twistd --help`` on the machine imports it, so it imports next to nothing. Checkers under
a name that Twisted has too are not here: other applications keep Twisted's.
"""

from __future__ import annotations

from twisted.application.service import ServiceMaker
from twisted.python.reflect import namedAny
from twisted.python.usage import Options

from sshecho.cred.plugin import CheckerPlugin


class _EchoMaker(ServiceMaker):
    """The chapter's `twistd echo`: the same service, with its own defaults."""

    @property
    def options(self) -> type[Options]:
        options: type[Options] = namedAny(self.module).EchoOptions
        return options


sshecho = ServiceMaker(
    "sshecho", "sshecho.tap", "An echo you log in to, over SSH and over a line protocol.", "sshecho"
)
echo = _EchoMaker("echo", "sshecho.tap", "An echo you log in to with a line: user pass.", "echo")
hashed = CheckerPlugin("hashed", "sshecho.cred.hashedfile.HashedFileCheckerFactory")
db = CheckerPlugin("db", "sshecho.cred.databasechecker.DatabaseCheckerFactory")
keys = CheckerPlugin("keys", "sshecho.cred.keyfiles.KeyFilesCheckerFactory")
ca = CheckerPlugin("ca", "sshecho.cred.certificateauthority.CertificateCheckerFactory")
ldap = CheckerPlugin("ldap", "sshecho.cred.ldap.LDAPCheckerFactory")

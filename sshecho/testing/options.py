"""The options of a server: what it offers, and how it behaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict


class Options(TypedDict, total=False):
    """What is not said is as `sshecho serve` has it, but for keepalives, which are off.

    Names of algorithms are as SSH has them, best first; `sshecho.testing.ALGORITHMS` has them all.

    Attributes:
        kex: key exchange methods.
        ciphers: ciphers.
        macs: MACs.
        host_keys: how the server signs; it has a host key for each.
        public_keys: how users may sign.
        ext_info: whether clients are told of that, if they want to hear it (RFC 8308).
        strict_kex: whether key exchange is strict where the client can do that.
        compression: ``none``, ``zlib@openssh.com``, ``zlib``.
        version: the server's first line, such as ``SSH-2.0-OpenSSH_5.3``.
        auth_methods: ``publickey``, ``password``, ``keyboard-interactive``; several that have to
            come in a row are joined by commas. With ``none`` the user ``anonymous`` gets in.
        kept_input: bytes of each session's input that are kept in `Session.input`: 64 KiB.
        window: bytes that a client may send before it is let send more.
        packet: bytes that a client may send in one packet.
        banner: what is shown before the login.
        greeting: what a session with a terminal begins with.
        prompt: what a line at a terminal's shell begins with, such as ``switch#``.
        dumb_terminal: whether terminals are shown no escape sequences, as at most appliances.
        users: passwords of more users, by name.
        authorized_keys: lines of an authorized_keys file, by user.
        faults: faults in force, such as ``["slow=0.5"]``.
        login_grace, max_auth_tries, max_startups, max_connections, max_sessions, idle_timeout,
        keepalive, rekey_limit: limits, as the options of ``sshecho serve`` have them.
    """

    kex: Sequence[str]
    ciphers: Sequence[str]
    macs: Sequence[str]
    host_keys: Sequence[str]
    public_keys: Sequence[str]
    ext_info: bool
    strict_kex: bool
    compression: Sequence[str]
    version: str
    auth_methods: Sequence[str]
    kept_input: int
    window: int
    packet: int
    banner: str
    greeting: str
    prompt: str
    dumb_terminal: bool
    users: Mapping[str, str]
    authorized_keys: Mapping[str, Sequence[str]]
    faults: Sequence[str]
    login_grace: float
    max_auth_tries: int
    max_startups: int
    max_connections: int
    max_sessions: int
    idle_timeout: float | str
    keepalive: float | str
    rekey_limit: int | str

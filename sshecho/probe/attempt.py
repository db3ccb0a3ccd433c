"""One attempt: how far it has come, what it has learned, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred

from sshecho.probe.target import Door, Target

STEPS: dict[Door, tuple[str, ...]] = {
    "ssh": ("tcp", "version", "kex", "auth", "echo"),
    "line": ("tcp", "auth", "echo"),
}
"""What an attempt goes through, in order."""


class ProbeError(Exception):
    """A probe has failed.

    Args:
        why: a line for people; it may hold text from the network, so it is escaped when shown.
        final: whether trying again can't help.
    """

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


@dataclass(frozen=True)
class ShownKey:
    """The host key that a server has shown.

    Attributes:
        type: its type as people write it, such as ``ED25519``.
        fingerprint: ``SHA256:...``, as ssh writes it.
        trust: why it is accepted: ``known``, ``pinned`` or ``loopback``; None when it is not.
    """

    type: str
    fingerprint: str
    trust: str | None


@dataclass(frozen=True)
class Negotiated:
    """The algorithms that both sides agreed on, by their names in SSH.

    Attributes:
        kex: the key exchange.
        host_key_algorithm: what the host key signs with.
        cipher_out, mac_out, compression_out: from us to the server.
        cipher_in, mac_in, compression_in: from the server to us.
    """

    kex: str
    host_key_algorithm: str
    cipher_out: str
    cipher_in: str
    mac_out: str
    mac_in: str
    compression_out: str
    compression_in: str


@dataclass
class Attempt:
    """One attempt to log in and to get an echo.

    Attributes:
        target: where, and as whom.
        seconds: the clock, which must never go back.
        peer: the ``address:port`` that we are connected to.
        server_version: the first line that the server sent.
        host_key: the key that the server has shown.
        negotiated: the algorithms.
        auth_method: how we got in: ``publickey``, ``password``, ``none`` ...
        steps: the seconds that each step took, of those that are done.
        done: fires when the echo has come, or with a ProbeError.
    """

    target: Target
    seconds: Callable[[], float]
    peer: str | None = None
    server_version: str | None = None
    host_key: ShownKey | None = None
    negotiated: Negotiated | None = None
    auth_method: str | None = None
    steps: dict[str, float] = field(default_factory=dict)
    done: Deferred[None] = field(default_factory=Deferred)

    def __post_init__(self) -> None:
        """Begin to count."""
        self._last = self.seconds()

    @property
    def step(self) -> str:
        """The step that is under way; the last one when all are done."""
        steps = STEPS[self.target.door]
        return steps[min(len(self.steps), len(steps) - 1)]

    @property
    def over(self) -> bool:
        """Whether it has come to its end."""
        return self.done.called

    def finish(self, step: str) -> None:
        """Write down how long the step took that is under way."""
        assert step == self.step
        now = self.seconds()
        self.steps[step] = now - self._last
        self._last = now

    def succeed(self) -> None:
        """The echo has come."""
        if not self.over:
            self.finish("echo")
            self.done.callback(None)

    def fail(self, error: ProbeError) -> None:
        """End it, unless it has ended before: what is said first is what counts."""
        if not self.over:
            self.done.errback(error)

"""The report: what a probe found, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from sshecho.people import escape
from sshecho.probe.attempt import Attempt, Negotiated, ProbeError


@dataclass(frozen=True)
class Report:
    """What a probe found.

    Attributes:
        attempt: the last attempt.
        attempts: how many there were.
        error: why it failed, or None.
    """

    attempt: Attempt
    attempts: int
    error: ProbeError | None = None

    def asJSON(self) -> str:
        """Return it as one line of JSON; every key is there, null when it is not known.

        ok: whether an authenticated echo came back.
        step: where the attempt failed: tcp, version, kex, auth or echo; null when it did not, or
            when there was none.
        error: why, in a line for people; null when it did not fail.
        target, door, user, host, port: what was asked for; door is ssh or line.
        peer: the address and port that it came to.
        server_version: the server's first line (SSH).
        host_key: type, fingerprint (SHA256:...) and trust: known, pinned, loopback, or null when
            the key was not accepted.
        kex, host_key_algorithm, cipher_out, cipher_in, mac_out, mac_in, compression_out,
            compression_in: what was negotiated (SSH); out is from the client to the server.
        auth_method: how it got in: publickey, password, keyboard-interactive or none.
        steps: an object of the steps that were done, in order, and the seconds each took.
        seconds: their sum.
        attempts: how many attempts there were; all else is the last one's.
        """
        attempt = self.attempt
        algorithms = (
            asdict(attempt.negotiated)
            if attempt.negotiated
            else {field.name: None for field in fields(Negotiated)}
        )
        target = attempt.target
        return json.dumps(
            {
                "ok": self.error is None,
                "step": attempt.step if self.error and self.attempts else None,
                "error": escape(str(self.error)) if self.error else None,
                "target": str(target),
                "door": target.door,
                "user": _text(target.user),
                "host": target.host,
                "port": target.port,
                "peer": attempt.peer,
                "server_version": attempt.server_version,
                "host_key": asdict(attempt.host_key) if attempt.host_key else None,
                **algorithms,
                "auth_method": attempt.auth_method,
                "steps": {step: round(took, 6) for step, took in attempt.steps.items()},
                "seconds": round(sum(attempt.steps.values()), 6),
                "attempts": self.attempts,
            }
        )

    def asText(self) -> str:
        """Return it as lines for people."""
        rows = list(self._rows())
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {escape(value)}" for name, value in rows]
        times = {**self.attempt.steps, "total": sum(self.attempt.steps.values())}
        lines += [f"{step:<{width}}  {took * 1000:8.1f} ms" for step, took in times.items()]
        return "\n".join(lines)

    def _rows(self) -> Iterator[tuple[str, str]]:
        attempt = self.attempt
        yield "target", str(attempt.target)
        if attempt.peer:
            yield "peer", attempt.peer
        if attempt.server_version:
            yield "server", attempt.server_version
        if key := attempt.host_key:
            trust = "unknown, loopback" if key.trust == "loopback" else key.trust
            yield "host key", f"{key.fingerprint} ({key.type}), {trust}"
        if names := attempt.negotiated:
            yield "kex", names.kex
            yield "cipher", _bothWays(names.cipher_out, names.cipher_in)
            yield "mac", _bothWays(names.mac_out, names.mac_in)
            yield "compression", _bothWays(names.compression_out, names.compression_in)
        if attempt.auth_method:
            yield "login by", attempt.auth_method
        if self.attempts > 1:
            yield "attempts", str(self.attempts)


def _bothWays(out: str, into: str) -> str:
    return out if out == into else f"{out} out, {into} in"


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

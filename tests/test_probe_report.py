"""What a probe reports."""

import json

from sshecho.probe.attempt import Attempt, Negotiated, ProbeError, ShownKey
from sshecho.probe.report import Report
from sshecho.probe.target import parseTarget

NEGOTIATED = Negotiated("kex", "sig", "c1", "c2", "mac", "mac", "none", "none")


def attempt():
    times = iter([0, 0.0015, 0.0035, 0.0065, 0.0105, 0.0155])
    made = Attempt(parseTarget("user@host"), lambda: next(times))
    made.peer = "127.0.0.1:2222"
    made.server_version = "SSH-2.0-x\x1b[2J\nkex  none"
    made.host_key = ShownKey("ED25519", "SHA256:abc", "loopback")
    made.negotiated = NEGOTIATED
    made.auth_method = "password"
    for step in ("tcp", "version", "kex", "auth"):
        made.finish(step)
    made.succeed()
    return made


def test_text():
    """People get aligned lines, in which nothing from the server can pass for another."""
    assert Report(attempt(), 3).asText().splitlines() == [
        "target       ssh://user@host:2222",
        "peer         127.0.0.1:2222",
        "server       SSH-2.0-x\\x1b[2J\\nkex  none",
        "host key     SHA256:abc (ED25519), unknown, loopback",
        "kex          kex",
        "cipher       c1 out, c2 in",
        "mac          mac",
        "compression  none",
        "login by     password",
        "attempts     3",
        "tcp               1.5 ms",
        "version           2.0 ms",
        "kex               3.0 ms",
        "auth              4.0 ms",
        "echo              5.0 ms",
        "total            15.5 ms",
    ]


def test_json():
    """Programs get one line with everything."""
    text = Report(attempt(), 1).asJSON()
    assert "\n" not in text
    assert json.loads(text) == {
        "ok": True,
        "step": None,
        "error": None,
        "target": "ssh://user@host:2222",
        "door": "ssh",
        "user": "user",
        "host": "host",
        "port": 2222,
        "peer": "127.0.0.1:2222",
        "server_version": "SSH-2.0-x\x1b[2J\nkex  none",
        "host_key": {"type": "ED25519", "fingerprint": "SHA256:abc", "trust": "loopback"},
        "kex": "kex",
        "host_key_algorithm": "sig",
        "cipher_out": "c1",
        "cipher_in": "c2",
        "mac_out": "mac",
        "mac_in": "mac",
        "compression_out": "none",
        "compression_in": "none",
        "auth_method": "password",
        "steps": {"tcp": 0.0015, "version": 0.002, "kex": 0.003, "auth": 0.004, "echo": 0.005},
        "seconds": 0.0155,
        "attempts": 1,
    }


def test_json_of_a_failure():
    """A failure has the same keys, the step and the reason; before the first attempt no step."""
    begun = Attempt(parseTarget("line://\udcff@host"), lambda: 0.0)
    begun.finish("tcp")
    failed = json.loads(Report(begun, 1, ProbeError("no\x1b way")).asJSON())
    assert failed.keys() == json.loads(Report(attempt(), 1).asJSON()).keys()
    assert (failed["ok"], failed["step"], failed["error"]) == (False, "auth", "no\\x1b way")
    assert failed["user"] == "\\xff"
    assert failed["kex"] is failed["host_key"] is failed["auth_method"] is None
    assert json.loads(Report(begun, 0, ProbeError("x")).asJSON())["step"] is None


def test_the_first_end_counts():
    """What comes behind the end of an attempt changes nothing."""
    made = Attempt(parseTarget("line://a@host"), lambda: 0.0)
    errors = []
    made.done.addErrback(lambda reason: errors.append(str(reason.value)))
    made.fail(ProbeError("first"))
    made.fail(ProbeError("second"))
    made.succeed()
    assert errors == ["first"]
    assert made.steps == {}

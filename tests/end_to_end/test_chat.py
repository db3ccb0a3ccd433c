"""The README's application: a chat, in place of the echo."""

import re
import shutil
from pathlib import Path

import pexpect

ROOT = Path(__file__).resolve().parents[2]
CHAT = Path(__file__).with_name("chat.py")
PATIENCE = 60


def test_readme():
    """The README shows the application that is tested here, which is short."""
    text = CHAT.read_text()
    assert f"```python\n{text}```" in (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 40


def test_chat(serve, ssh, private, monkeypatch):
    """People at both doors read what the others say, with nothing in it that steers a terminal."""
    shutil.copy(CHAT, private)
    monkeypatch.setenv("PYTHONPATH", f"{private}:{ROOT}")
    with serve("--app", "chat:Chat", "--auth", "memory:ann:a:bob:b") as server:
        command, env = ssh(server, user="ann", password="a")
        ann = pexpect.spawn(command[0], command[1:], env=env, timeout=PATIENCE)
        ann.expect_exact("Login successful, please proceed.\r\n")
        with server.connect() as bob:
            bob.sendall(b"bob b\n")
            ann.expect_exact("bob has come\r\n")
            ann.send("Hello, Bob. \u6f22\r")
            received = b""
            while not received.endswith("\u6f22\n".encode()):
                piece = bob.recv(1000)
                assert piece
                received += piece
            assert received.split(b"\r\n")[1] == "ann is here\nann: Hello, Bob. \u6f22\n".encode()
            bob.sendall(b"\x1b[2Jhi\x07\r\n")
            ann.expect_exact("bob: [2Jhi\r\n")
        ann.expect_exact("bob has gone\r\n")
        ann.send("\x04")
        ann.expect(pexpect.EOF)
        ann.close()
    assert ann.exitstatus == 0
    assert not re.search("Traceback", "\n".join(server.lines))

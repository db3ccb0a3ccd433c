"""Questions and prompts that a test dictates."""

import pytest

from sshecho.testing.answer import Answer, sayAnswer
from sshecho.testing.inside.rules import readReply
from sshecho.testing.inside.settings import readSettings


def test_arrive():
    """They arrive as they were dictated."""
    reply = readReply(sayAnswer(Answer("ok", ask="Password: ", prompt="schalter(gr\u00fc\u00df)#")))
    assert (reply.ask, reply.prompt) == ("Password: ", "schalter(gr\u00fc\u00df)#")
    assert reply.exit_status is None


@pytest.mark.parametrize("name", ["ask", "prompt"])
@pytest.mark.parametrize("text", ["two\nlines", "\x1b[1m", "\x07"])
def test_no_control_characters(name, text):
    """What would steer a terminal can be neither."""
    with pytest.raises(ValueError, match=f"{name}=.* can be seen"):
        sayAnswer(Answer(**{name: text}))


def test_setting():
    """A server's prompt is likewise; without one it is the editor's."""
    assert readSettings({"prompt": "switch#", "dumb_terminal": True}).prompt == "switch#"
    assert readSettings({}).prompt == "> "
    with pytest.raises(ValueError, match=r"prompt: .* can be seen"):
        readSettings({"prompt": "\x1b[1m"})

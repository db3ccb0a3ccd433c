"""The line editor: what a person types becomes a line, and is seen as it becomes one.

It knows keys, characters and columns, and neither SSH nor Twisted: text goes in, lines come out,
and what the terminal must show goes to a callable. The way through it:

    keystrokes -> lineeditor -> linebuffer (edits), history -> screen -> layout, or dumbscreen

All of them count in characters.

No library does this. Conch's recvline edits bytes, draws each keystroke in packets of its own,
loses what is not ASCII and bounds nothing; insults, below it, loses what is split across reads.
prompt_toolkit runs an asyncio loop of its own, and neither the line nor what waits to be drawn
has a bound in it. Where one character ends and how wide it is, wcwidth knows.
"""

from sshecho.ssh.editor.lineeditor import (
    PROMPT,
    Breath,
    EndOfInput,
    Event,
    Interrupt,
    LineEditor,
)

__all__ = ["PROMPT", "Breath", "EndOfInput", "Event", "Interrupt", "LineEditor"]

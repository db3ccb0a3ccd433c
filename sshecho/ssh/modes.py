"""The modes of a terminal, as a client encodes them (RFC 4254, section 8)."""

from __future__ import annotations

from typing import Final

from sshecho.wire import Reader

_END = 0
_FIRST_UNDEFINED = 160
"""From here on nobody knows how long an argument is, so reading stops."""

_RUNS: Final = {
    1: "VINTR VQUIT VERASE VKILL VEOF VEOL VEOL2 VSTART VSTOP VSUSP VDSUSP VREPRINT VWERASE VLNEXT "
    "VFLUSH VSWTCH VSTATUS VDISCARD",
    30: "IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF IMAXBEL IUTF8",
    50: "ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH TOSTOP IEXTEN ECHOCTL ECHOKE PENDIN",
    70: "OPOST OLCUC ONLCR OCRNL ONOCR ONLRET",
    90: "CS7 CS8 PARENB PARODD",
    128: "TTY_OP_ISPEED TTY_OP_OSPEED",
}
"""The names of successive opcodes, by the first of them; IUTF8 is RFC 8160's."""

NAMES: Final = {
    opcode: name
    for first, names in _RUNS.items()
    for opcode, name in enumerate(names.split(), first)
}
"""What each opcode is called."""


def parseModes(encoded: bytes) -> dict[str, int]:
    """Return the modes by name, unknown ones by their number; the last of several counts.

    Args:
        encoded: opcodes of one byte, each with an argument of four, up to the opcode 0.

    Raises:
        ValueError: when an argument is cut short.
    """
    modes = {}
    reader = Reader(encoded)
    while reader.more and _END < (opcode := reader.number(1)) < _FIRST_UNDEFINED:
        modes[NAMES.get(opcode, str(opcode))] = reader.number(4)
    return modes

"""The link to the server's process, and the calls that come from there."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sshecho.testing.errors import ServerError

_PATIENCE = 30.0
"""Seconds in which the server has to answer."""
_READ = 1 << 16


class Link:
    """Asks the server, from any thread, and waits for its answer.

    It is a blocking socket and a lock: so it needs no event loop, and disturbs none.

    Args:
        end: the socket.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._lock = threading.Lock()
        self._rest = b""
        self._number = 0

    def ask(self, order: str, /, **arguments: object) -> Any:  # noqa: ANN401 - whatever JSON has
        """Return the server's answer to an order.

        Raises:
            ValueError: when the server says that something is wrong with it.
            ServerError: when it does not answer.
        """
        with self._lock:
            self._number += 1
            try:
                self._socket.settimeout(_PATIENCE)
                self._socket.sendall(json.dumps((self._number, order, arguments)).encode() + b"\n")
                number, well, answer = 0, False, None
                while number != self._number:  # an older one was broken off by a signal
                    number, well, answer = json.loads(self._line())
            except TimeoutError:
                raise ServerError(f"the server does not answer within {_PATIENCE:.0f} s") from None
            except OSError:
                raise ServerError("the server is gone") from None
        if not well:
            raise ValueError(answer)
        return answer

    def _line(self) -> bytes:
        while b"\n" not in self._rest:
            data = self._socket.recv(_READ)
            if not data:
                raise ConnectionError
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def close(self) -> None:
        """Close it, which ends the server."""
        self._socket.close()


Call = Callable[[dict[str, Any]], "dict[str, Any] | None"]


class Calls:
    """Answers the server's calls, each in a thread of its own, from when there is one to answer.

    Args:
        end: the socket.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()
        self._callables: dict[int, Call] = {}
        self._thread: threading.Thread | None = None

    def answer(self, rule: int, call: Call) -> None:
        """Have a callable answer for a rule.

        Args:
            rule: its number.
            call: gets what is seen of the session; returns the reply, or None for an echo.
        """
        self._callables[rule] = call
        if self._thread is None:
            self._thread = threading.Thread(target=self._listen, name="sshecho calls", daemon=True)
            self._thread.start()

    def clear(self) -> None:
        """Forget all callables."""
        self._callables.clear()

    def _listen(self) -> None:
        try:
            for line in self._socket.makefile("rb"):
                call = json.loads(line)
                threading.Thread(
                    target=self._answer, args=call, name="sshecho call", daemon=True
                ).start()
        except OSError:
            return  # closed here

    def _answer(self, number: int, rule: int, session: dict[str, Any]) -> None:
        try:
            call = self._callables.get(rule)
            reply = None if call is None else call(session)
        except BaseException as error:
            why = f"the callable that answers raised {type(error).__name__}: {error}"
            self._send(number, False, why)
            raise  # pytest tells of what is raised in threads
        self._send(number, True, reply)

    def _send(self, *answer: object) -> None:
        with self._sending:
            try:
                self._socket.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                return  # nobody waits for it any more

    def close(self) -> None:
        """Answer no more."""
        with suppress(OSError):  # the server has closed it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

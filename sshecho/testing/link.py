"""The link to the server's process, and the calls that come from there."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence, Set
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
        self._socket.settimeout(_PATIENCE)
        self._lock = threading.Lock()
        self._rest = bytearray()
        self._number = 0

    def ask(self, order: str, /, **arguments: object) -> Any:  # noqa: ANN401 - whatever JSON has
        """Return the server's answer to an order.

        Raises:
            TypeError: when an argument can't be sent.
            ValueError: when the server says that something is wrong with it.
            ServerError: when it does not answer.
        """
        __tracebackhide__ = True  # whoever reads of an error is to see their own line
        with self._lock:
            self._number += 1
            line = _line(self._number, order, arguments)
            try:
                self._send(line)
                number, well, answer = 0, False, None
                while number != self._number:  # an older one was broken off by a signal
                    number, well, answer = json.loads(self._receive())
            except TimeoutError:
                self._socket.close()  # so that it is noticed at once the next time
                raise ServerError(f"the server does not answer within {_PATIENCE:.0f} s") from None
            except OSError:
                raise ServerError("the server is gone") from None
        if not well:
            raise ValueError(answer)
        return answer

    def _send(self, line: bytes) -> None:
        try:
            self._socket.sendall(line)
        except BaseException:
            self._socket.close()  # there may be half a line in it
            raise

    def _receive(self) -> bytes:
        looked = 0
        while (end := self._rest.find(b"\n", looked)) < 0:
            looked = len(self._rest)
            data = self._socket.recv(_READ)
            if not data:
                raise ConnectionError
            self._rest += data
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return line

    def close(self) -> None:
        """Close it, which ends the server; whoever still waits for an answer hears of it."""
        _hangUp(self._socket)


Call = Callable[[dict[str, Any]], "dict[str, Any] | None"]


class Calls:
    """Answers the server's calls, each in a thread of its own, from when there is one to answer.

    Args:
        end: the socket.

    Attributes:
        failures: what callables have raised.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()
        self._starting = threading.Lock()
        self._numbers = itertools.count(1)
        self._callables: dict[int, Call] = {}
        self.failures: list[BaseException] = []
        self._thread: threading.Thread | None = None

    def add(self, call: Call) -> int:
        """Have a callable answer.

        Args:
            call: gets what is seen of the session; returns the reply, or None for an echo.

        Returns:
            The number that it is called by.
        """
        number = next(self._numbers)
        self._callables[number] = call
        with self._starting:
            if self._thread is None:
                self._thread = _inBackground(self._listen)
        return number

    def clear(self) -> None:
        """Forget all callables, and what they have raised."""
        self._callables.clear()
        self.failures = []  # one that is called still is to do with what was before

    def _listen(self) -> None:
        with suppress(OSError), self._socket.makefile("rb") as calls:  # closed here
            for line in calls:
                _inBackground(self._answer, *json.loads(line))

    def _answer(self, number: int, called: int, session: dict[str, Any]) -> None:
        call, failures = self._callables.get(called), self.failures
        try:
            reply = None if call is None else call(session)
        except BaseException as error:  # told now: the client's test may end once it is answered
            traceback.print_exc()
            failures.append(error)
            why = f"the callable that answers raised {type(error).__name__}: {error}"
            self._send(number, False, why)
        else:
            self._send(number, True, reply)

    def _send(self, *answer: object) -> None:
        with self._sending, suppress(OSError):  # nobody waits for it any more
            self._socket.sendall(_line(*answer))

    def close(self) -> None:
        """Answer no more."""
        _hangUp(self._socket)


def _hangUp(end: socket.socket) -> None:
    with suppress(OSError):  # the server has closed it
        end.shutdown(socket.SHUT_RDWR)  # close alone would not wake who reads from it
    end.close()


def _inBackground(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, name="sshecho", daemon=True)
    thread.start()
    return thread


def _line(*message: object) -> bytes:
    """Return a message as it is sent: a line of JSON.

    Raises:
        TypeError: for what JSON does not have.
    """
    text = json.dumps(message, ensure_ascii=False, default=_plain)  # bytes are short so
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray):
        return list(value)
    raise TypeError(f"{value!r} can't be sent to the server: give text, a number, or lists of them")

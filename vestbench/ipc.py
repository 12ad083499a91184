"""The one channel between all processes of ours, and the records that travel on it.

A message is an object that `pickle` can carry: a `Message`, or a dataclass where the
time to import that module (9 ms) is not felt. Both ends run our own code, and one has
started the other; nothing that a network peer sends ever comes here.

The lab and the link start with this module, so it imports little: `_pickle`, the part
of `pickle` that is written in C, takes 0.6 ms, the whole of it or `json` 3 to 4 ms.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from _pickle import dumps, loads
from collections import deque
from contextlib import suppress

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from selectors import BaseSelector
    from typing import Any, Protocol, TypeVar, dataclass_transform

    M = TypeVar("M")
    Answers = Mapping[type, Callable[[Any], object]]

    class Watched(Protocol):
        """What must live while a message is waited for."""

        def handles(self) -> tuple[int, ...]:
            """Return the descriptors that can be read when there is news."""

        def check(self) -> None:
            """Take the news, and raise an error if it does not live any more."""

else:

    def dataclass_transform(**_: Any) -> Callable[[M], M]:
        """Stand in for the function of `typing`."""
        return lambda cls: cls


# Signals that ask a command to end; no system has all of them.
ENDINGS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
MAX_FDS = 64  # descriptors that travel with one message
_READ_BYTES = 1 << 16
# A signal ends a wait for a socket, but not on Windows: there it is cut in pieces of so
# many seconds, so that Ctrl-C is heeded. None is in one piece.
_PIECE_S = 0.1 if sys.platform == "win32" else None
# Bytes of the message, its number, and how many descriptors belong to it. The number of
# a question is positive, that of its answer is the same, negative; an event has 0.
_HEAD = struct.Struct("=IiB")


class ChannelClosedError(Exception):
    """The process at the other end of a channel is gone."""


class DialectError(Exception):
    """The receiving process does not know this kind of message: a bug of ours."""


class FailedError(Exception):
    """What a process was asked for has failed; the text says why.

    It is sent in place of the answer, and raised where the answer is received.
    """


@dataclass_transform(kw_only_default=True)
class Message:
    """A record whose fields are the annotations of its class.

    It is what `dataclasses` would make of it, without the time to import that.
    """

    def __init__(self, **fields: Any) -> None:
        if fields.keys() != type(self).__annotations__.keys():
            raise TypeError(f"{type(self).__name__} with {', '.join(fields) or None}")
        self.__dict__.update(fields)

    def __repr__(self) -> str:
        """Return the name only: fields may hold what must not be logged."""
        return f"{type(self).__name__}(…)"


class Done(Message):
    """The answer to a question that has no other answer."""


class Channel:
    """One end of a channel: messages both ways, with file descriptors.

    It belongs to one thread at a time. The transport is a pair of connected sockets;
    nothing outside this class and `pair` depends on that.

    Times are in seconds; None is for ever. Every method that sends or receives raises
    `ChannelClosedError` where the other end is gone, or does not read in time.

    Attributes:
        descriptors: Those that came with the message received last. They are the
            receiver's to close, and are not inherited by its children.
    """

    def __init__(self, handle: socket.socket) -> None:
        self._socket = handle
        self._pending = bytearray()
        self._fds: list[int] = []  # arrived, of messages that were not received yet
        self._events: deque[object] = deque()  # that came before an answer
        self._serial = 0  # of the question asked last
        self._question = 0  # the number of the message received last
        self._watched: Watched | None = None
        self._selector: BaseSelector | None = None
        self.descriptors: list[int] = []

    @classmethod
    def inherited(cls, word: str) -> Channel:
        """Return the end that this process was told of by whoever has started it.

        Args:
            word: A descriptor's number, or where the parent waits on loopback.
        """
        if not word.isdigit():
            from vestbench.loopback import join

            return cls(join(word))
        handle = socket.socket(fileno=int(word))
        handle.set_inheritable(False)
        return cls(handle)

    def fileno(self) -> int:
        """Return the descriptor, for `select` and to be inherited.

        `select` does not see messages that were read with an earlier one: after it,
        `reply_to_all`.
        """
        return self._socket.fileno()

    def watch(self, watched: Watched) -> None:
        """Look after something else too from now on, whenever a message is waited for.

        What `check` of it raises ends the wait.
        """
        from selectors import EVENT_READ, DefaultSelector

        self._watched, self._selector = watched, DefaultSelector()
        self._selector.register(self._socket, EVENT_READ, None)
        for handle in watched.handles():
            self._selector.register(handle, EVENT_READ, watched)

    def send(self, message: object) -> None:
        """Send an event: a message that is neither a question nor an answer."""
        self._send(0, message)

    def ask(
        self,
        question: object,
        kind: type[M],
        *,
        fds: Sequence[int] = (),
        timeout_s: float | None = None,
    ) -> M:
        """Send a question and return its answer, an object of class `kind`.

        The descriptors in `fds` are sent along, and stay open here. Events that come
        before the answer are kept for `receive`; the answer to an earlier question,
        whose asker was interrupted, is dropped.

        Raises:
            DialectError: The answer is of another class, or the question was unknown.
            FailedError: The other end says that it failed.
            TimeoutError: No answer came in time.
        """
        self._serial += 1
        self._send(self._serial, question, fds, timeout_s)
        end = _end(timeout_s)
        while True:
            number, message = self._next(end)
            if number == -self._serial:
                return _checked(message, kind)
            if number == 0:
                self._events.append(message)

    def receive(self, kind: type[M], timeout_s: float | None = None) -> M:
        """Return the next message that is not an answer.

        Raises:
            DialectError: The message is not of class `kind`.
            TimeoutError: No whole message came in time.
        """
        if self._events:
            return _checked(self._events.popleft(), kind)
        end = _end(timeout_s)
        self._question = -1
        while self._question < 0:
            self._question, message = self._next(end)
        return _checked(message, kind)

    def reply(self, answers: Answers, timeout_s: float | None = None) -> None:
        """Receive one question, and send its answer.

        To a question that `answers` does not have, the answer is a `DialectError`.

        Args:
            answers: By class of the question, what is called with it: it returns the
                answer (None stands for `Done`), or raises `FailedError` or `OSError`,
                which is then the answer.
            timeout_s: How long the question may take to come.

        Raises:
            TimeoutError: No whole question came in time.
        """
        question = self.receive(object, timeout_s)
        number = self._question
        answer: object
        try:
            answer = _answering(question, answers)(question)
            answer = Done() if answer is None else answer
        except (FailedError, DialectError) as error:
            answer = error
        except OSError as error:  # its own text has the number in front
            answer = FailedError(str(error.strerror or error))
        self._send(-number, answer)

    def reply_to_all(self, answers: Answers) -> None:
        """Answer every question that has come, without waiting for more."""
        with suppress(TimeoutError):
            while True:
                self.reply(answers, 0.0)

    def close(self) -> None:
        """Close this end."""
        if self._selector is not None:
            self._selector.close()
            self._selector = None
        self._socket.close()

    def _send(
        self,
        number: int,
        message: object,
        fds: Sequence[int] = (),
        timeout_s: float | None = None,
    ) -> None:
        data = dumps(message, -1)
        data = _HEAD.pack(len(data), number, len(fds)) + data
        try:
            self._socket.settimeout(timeout_s)
            sent = 0
            if fds and sys.platform != "win32":
                sent = socket.send_fds(self._socket, [data], fds)
            self._socket.sendall(data[sent:])
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def _next(self, end: float | None) -> tuple[int, object]:
        """Return the next message of any sort and its number."""
        self._fill(_HEAD.size, end)
        size, number, count = _HEAD.unpack_from(self._pending)
        size += _HEAD.size
        self._fill(size, end)
        data = bytes(self._pending[_HEAD.size : size])
        del self._pending[:size]
        self.descriptors, self._fds = self._fds[:count], self._fds[count:]
        try:
            return number, loads(data)
        except Exception as error:
            raise DialectError(f"a message cannot be read: {error}") from error

    def _fill(self, size: int, end: float | None) -> None:
        """Read until so many bytes are pending, at the latest until `end`."""
        while len(self._pending) < size:
            self._look_after(end)
            try:
                if _PIECE_S is not None:
                    self._wait_in_pieces(end, _PIECE_S)
                self._socket.settimeout(_left_s(end))
                data = self._read()
            except (BlockingIOError, TimeoutError):
                raise TimeoutError("no whole message came in time") from None
            except OSError as error:
                raise ChannelClosedError(str(error)) from error
            if not data:
                raise ChannelClosedError("end of file")
            self._pending += data

    def _wait_in_pieces(self, end: float | None, piece_s: float) -> None:
        """Wait until there is something to read; a signal is heeded in between."""
        from select import select

        while not select(
            (self._socket,), (), (), min(piece_s, _left_s(end) or piece_s)
        )[0]:
            if end is not None and time.monotonic() >= end:
                return

    def _look_after(self, end: float | None) -> None:
        """Wait until there is something to read, and check what is watched meanwhile.

        What came with an earlier message, no selector shows: hence the first check.
        """
        if self._selector is None or self._watched is None:
            return
        news = True
        while news:
            self._watched.check()
            ready = self._selector.select(_left_s(end))
            news = bool(ready) and all(key.data for key, _ in ready)

    def _read(self) -> bytes:
        """Return what has arrived, and keep the descriptors that came with it."""
        if sys.platform == "win32":
            return self._socket.recv(_READ_BYTES)
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        data, fds, _, _ = socket.recv_fds(self._socket, _READ_BYTES, MAX_FDS, flags)
        for fd in fds:
            os.set_inheritable(fd, False)
        self._fds += fds
        return data


def leave_signals_to_the_parent() -> None:
    """Ignore what a terminal, or who stops a service, sends to every process of it.

    The parent decides what that ends. A child of ours ends when its channel closes.
    """
    import signal

    for name in ENDINGS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def pair() -> tuple[Channel, Channel]:
    """Return both ends of a new channel, one of them for a process to be started.

    That process needs the descriptor of its end, and its number (`Channel.inherited`).
    """
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


def _end(timeout_s: float | None) -> float | None:
    return None if timeout_s is None else time.monotonic() + timeout_s


def _left_s(end: float | None) -> float | None:
    return None if end is None else max(0.0, end - time.monotonic())


def _answering(question: object, answers: Answers) -> Callable[[Any], object]:
    if type(question) not in answers:
        raise DialectError(f"{question!r} came where it has no answer")
    return answers[type(question)]


def _checked(message: object, kind: type[M]) -> M:
    if isinstance(message, FailedError | DialectError):
        raise message
    if not isinstance(message, kind):
        raise DialectError(f"{message!r} came where {kind.__name__} was expected")
    return message

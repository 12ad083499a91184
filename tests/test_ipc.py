"""The channel between our own processes: what it carries, and how it ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_S
from vestbench.ipc import (
    Channel,
    ChannelClosedError,
    DialectError,
    Done,
    FailedError,
    Message,
    pair,
)


class Ask(Message):
    what: str
    n: int


class Told(Message):
    data: bytes


@dataclass(frozen=True, slots=True)
class Record:
    names: tuple[str, ...]
    value: float | None = None


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    with ExitStack() as stack:
        here, there = pair()
        stack.callback(here.close)
        stack.callback(there.close)
        yield here, there


def test_a_message_arrives_as_what_it_was(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.send(Ask(what="ü", n=3))
    here.send(Record(("a", "b"), 0.1))

    first, second = there.receive(Ask), there.receive(Record)

    assert (first.what, first.n) == ("ü", 3)
    assert second == Record(("a", "b"), 0.1)


def test_a_message_is_complete_and_knows_its_fields() -> None:
    with pytest.raises(TypeError):
        Ask(what="n is absent")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Ask(what="", n=1, m=2)  # type: ignore[call-arg]
    assert "secret" not in repr(Ask(what="secret", n=1))


def test_another_class_than_expected_is_a_bug(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.send(Done())

    with pytest.raises(DialectError, match=r"Done.* came where Ask was expected"):
        there.receive(Ask)


def test_an_unknown_question_is_a_bug_where_it_was_asked_and_not_the_end() -> None:
    here, there = pair()
    pid = os.fork()
    if pid == 0:
        for _ in range(2):
            there.reply({Ask: lambda _: Done()})
        os._exit(0)

    with pytest.raises(DialectError, match=r"Record.* has no answer"):
        here.ask(Record(()), Done)
    here.ask(Ask(what="", n=1), Done)

    os.waitpid(pid, 0)
    here.close()
    there.close()


@pytest.mark.parametrize("data", [b"nonsense", b"cnowhere\nnothing\n."])
def test_a_malformed_message_is_a_bug(data: bytes) -> None:
    here, there = pair()
    os.write(here.fileno(), len(data).to_bytes(4, sys.byteorder) + bytes(5) + data)

    with pytest.raises(DialectError, match="cannot be read"):
        there.receive(object)
    here.close()
    there.close()


def test_nothing_in_time_is_a_timeout_and_half_a_message_is_kept(
    ends: tuple[Channel, Channel],
) -> None:
    here, there = ends
    whole_here, whole_there = pair()
    whole_here.send(Ask(what="late", n=1))
    data = os.read(whole_there.fileno(), 1000)
    whole_here.close()
    whole_there.close()

    for part in (b"", data[:4], data[4:-1]):
        os.write(here.fileno(), part)
        with pytest.raises(TimeoutError):
            there.receive(Ask, timeout_s=0.0)
    os.write(here.fileno(), data[-1:])

    assert there.receive(Ask, timeout_s=0.0).what == "late"


def test_what_was_sent_before_the_end_is_received(
    ends: tuple[Channel, Channel],
) -> None:
    here, there = ends
    here.send(Done())
    here.close()

    there.receive(Done)
    with pytest.raises(ChannelClosedError):
        there.receive(Done, timeout_s=5.0)
    with pytest.raises(ChannelClosedError):
        there.send(Done())


def test_who_does_not_read_is_as_good_as_gone(ends: tuple[Channel, Channel]) -> None:
    with pytest.raises(ChannelClosedError):
        ends[0].ask(Told(data=bytes(10_000_000)), Done, timeout_s=0.05)


def test_an_answer_finds_its_question(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    with pytest.raises(TimeoutError):
        here.ask(Ask(what="nobody waits for this", n=1), Told, timeout_s=0.0)
    there.send(Record(("an event",)))
    there.reply({Ask: lambda asked: Told(data=asked.what.encode())})
    with pytest.raises(TimeoutError):
        here.ask(Ask(what="nor for this", n=2), Told, timeout_s=0.0)
    there.reply_to_all({Ask: lambda asked: Told(data=asked.what.encode())})

    with pytest.raises(TimeoutError):
        here.ask(Done(), Done, timeout_s=0.0)
    assert here.receive(Record, timeout_s=0.0) == Record(("an event",))
    with pytest.raises(TimeoutError):
        here.receive(object, timeout_s=0.0)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FailedError("it is closed"), "it is closed"),
        (OSError(98, "cannot listen"), "cannot listen"),
        (OSError("without a number"), "without a number"),
    ],
)
def test_a_failure_is_raised_where_its_answer_is_awaited(
    error: Exception, said: str
) -> None:
    here, there = pair()
    pid = os.fork()
    if pid == 0:

        def fail(_: object) -> Done:
            raise error

        there.reply({Ask: fail})
        os._exit(0)

    with pytest.raises(FailedError) as caught:
        here.ask(Ask(what="", n=1), Done)

    assert str(caught.value) == said
    os.waitpid(pid, 0)
    here.close()
    there.close()


def test_descriptors_travel_with_their_own_message(
    ends: tuple[Channel, Channel], tmp_path: Path
) -> None:
    here, there = ends
    files = [(tmp_path / name).open("w+") for name in "abc"]
    fds = [file.fileno() for file in files]
    for what, sent in (("none", []), ("two", fds[:2]), ("one", fds[2:])):
        question = Ask(what=what, n=len(sent))
        with pytest.raises(TimeoutError):
            here.ask(question, Done, fds=sent, timeout_s=0.0)
    for file in files:
        file.close()

    for _ in range(3):
        assert len(there.descriptors) == 0
        wanted = there.receive(Ask)
        assert len(there.descriptors) == wanted.n
        for fd in there.descriptors:
            assert not os.get_inheritable(fd)
            os.write(fd, wanted.what.encode())
            os.close(fd)
        there.descriptors.clear()

    assert [(tmp_path / name).read_text() for name in "abc"] == ["two", "two", "one"]


def test_a_large_message_passes() -> None:
    here, there = pair()
    pid = os.fork()
    if pid == 0:
        there.reply({Told: lambda told: Told(data=told.data[::-1])})
        os._exit(0)
    data = os.urandom(5_000_000)

    answer = here.ask(Told(data=data), Told)

    assert answer.data == data[::-1]
    os.waitpid(pid, 0)
    here.close()
    there.close()


def test_a_started_process_finds_its_end_by_number() -> None:
    here, there = pair()
    script = (
        "import sys; from vestbench.ipc import *; "
        "end = Channel.inherited(sys.argv[1]); end.reply({Done: lambda _: Done()})"
    )
    number = there.fileno()
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(number)], pass_fds=(number,)
    )
    there.close()

    here.ask(Done(), Done, timeout_s=30.0)

    assert process.wait(30) == 0
    with pytest.raises(ChannelClosedError):
        here.receive(object)
    here.close()


class Neighbour:
    """Something that is watched; it is over at the n-th look."""

    def __init__(self, over_at: int) -> None:
        self._news, self.tells = socket.socketpair()
        self._left = over_at

    def handles(self) -> tuple[int, ...]:
        return (self._news.fileno(),)

    def check(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise ConnectionAbortedError("it is over")
        self._news.setblocking(False)
        with suppress(BlockingIOError):
            self._news.recv(1)

    def close(self) -> None:
        self._news.close()
        self.tells.close()


def test_news_of_a_neighbour_that_is_over_ends_the_wait_for_an_answer() -> None:
    ours, theirs = pair()
    with closing(ours), closing(theirs), closing(Neighbour(2)) as neighbour:
        ours.watch(neighbour)
        neighbour.tells.send(b"!!")  # a piece of news is taken at each look

        with pytest.raises(ConnectionAbortedError):
            ours.ask(Done(), Done, timeout_s=PATIENCE_S)


def test_other_news_of_a_neighbour_does_not_disturb() -> None:
    ours, theirs = pair()
    with closing(ours), closing(theirs), closing(Neighbour(99)) as neighbour:
        ours.watch(neighbour)
        neighbour.tells.send(b"!!")  # a piece of news is taken at each look
        theirs.send(Done())

        assert isinstance(ours.receive(Done, PATIENCE_S), Done)
        with pytest.raises(TimeoutError):
            ours.receive(Done, 0.0)


def test_a_closed_end_is_noticed_beside_a_neighbour() -> None:
    ours, theirs = pair()
    with closing(ours), closing(Neighbour(99)) as neighbour:
        ours.watch(neighbour)
        theirs.close()

        with pytest.raises(ChannelClosedError):
            ours.receive(Done, PATIENCE_S)

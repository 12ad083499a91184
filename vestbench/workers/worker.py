"""The process that sends requests: `main` in a Python of its own.

It is a process of its own so that nothing else runs where the clock runs: no progress
display, no statistics, no signing, no garbage of theirs. It can be started inside the
network namespace of an emulated link. It sends only when it is told to, one command at
a time, so between two requests the parent may do what it likes.

Its parent is at the other end of a channel; when that closes, this process ends.
"""

from __future__ import annotations

import gc
import logging
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from vestbench.ipc import (
    Channel,
    ChannelClosedError,
    FailedError,
    leave_signals_to_the_parent,
)
from vestbench.kernel.pauses import Pulse
from vestbench.workers.messages import (
    Burst,
    BurstSent,
    Close,
    Inspect,
    Inspected,
    Listen,
    Open,
    Opened,
    Send,
    Sent,
    SignWith,
    StartStack,
)
from vestbench.workers.path_signing import sign, signed

if TYPE_CHECKING:
    from vestbench.ipc import Answers
    from vestbench.model.request import Signer
    from vestbench.model.session import Session


def main(argv: list[str]) -> int:
    """Serve the parent on the channel that `argv` names, until it closes."""
    leave_signals_to_the_parent()
    # What a library warns of is in the failures; here it would land between tables.
    logging.getLogger().addHandler(logging.NullHandler())
    with (
        closing(Channel.inherited(argv[1])) as parent,
        suppress(ChannelClosedError),  # the parent is gone
    ):
        try:
            worker = Worker(parent)
        except FailedError as error:  # the stack cannot be had on this machine
            parent.send(error)
        else:
            worker.serve()
    return 0


class Worker:
    """One stack and its sessions, as the parent asks for them."""

    def __init__(self, parent: Channel) -> None:
        self._parent = parent
        start = parent.receive(StartStack)
        self._stack = start.stack.load()(ca_pem=start.ca_pem, origin_ns=start.origin_ns)
        self._sessions: dict[int, Session] = {}
        self._signer: Signer | None = None
        self._pulse = Pulse(self._stack.facts.origin_ns)

    def serve(self) -> None:
        """Say that the stack is ready, and answer for as long as the parent lives."""
        _hold_garbage()
        self._pulse.start()
        self._parent.send(self._stack.facts)
        sessions = self._sessions
        answers: Answers = {
            Send: self._send,
            Burst: self._burst,
            Listen: self._listen,
            Open: self._open,
            Close: lambda asked: sessions.pop(asked.key).close(),
            SignWith: self._sign_with,
            Inspect: lambda _: Inspected(
                modules=sorted(sys.modules), collects=gc.isenabled()
            ),
        }
        while True:
            self._parent.reply(answers)

    def _send(self, asked: Send) -> Sent:
        self._pulse.begin()
        spec, sign_ns = sign(asked.spec, self._signer)
        session, event = self._sessions[asked.key], b""
        if asked.hears:
            outcome, body, event = session.ask_and_hear(spec, asked.slot)
        else:
            outcome, body = session.ask(spec, asked.slot)
        (outcome,) = self._pulse.marked([signed(outcome, sign_ns)])
        return Sent(outcome=outcome, body=body if asked.body else b"", event=event)

    def _listen(self, asked: Listen) -> Sent:
        self._pulse.begin()
        session = self._sessions[asked.key]
        outcome, event = session.listen(asked.spec, asked.slot, asked.wanted)
        (outcome,) = self._pulse.marked([outcome])
        return Sent(outcome=outcome, body=b"", event=event)

    def _burst(self, asked: Burst) -> BurstSent:
        self._pulse.begin()
        outcomes = self._sessions[asked.key].burst(asked.specs, asked.slots)
        return BurstSent(outcomes=self._pulse.marked(outcomes))

    def _open(self, asked: Open) -> Opened:
        session = self._sessions[asked.key] = self._stack.open(asked.plan)
        return Opened(build_ns=session.build_ns, notes=session.notes)

    def _sign_with(self, asked: SignWith) -> None:
        self._signer = asked.signer
        asked.signer.prepare()
        _hold_garbage()  # what the imports have left behind


def _hold_garbage() -> None:
    """Collect now, and from here on only between two requests."""
    gc.collect()
    gc.freeze()
    gc.disable()

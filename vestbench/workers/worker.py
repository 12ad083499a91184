"""The process that sends requests: `python -m vestbench.workers.worker FD`.

It is a process of its own so that nothing else runs where the clock runs: no progress
display, no statistics, no signing, no garbage of theirs. It can be started inside the
network namespace of an emulated link. It sends only when it is told to, one command at
a time, so between two requests the parent may do what it likes.

Commands and answers are pickled objects on a socket that only the parent holds the
other end of; when that end closes, this process ends.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from vestbench.model.request import Signer
from vestbench.stacks.registry import load_stack
from vestbench.workers.path_signing import sign, signed


def main(argv: list[str]) -> int:
    """Serve commands on the file descriptor named in `argv` until it closes."""
    # Ctrl-C in a terminal reaches the whole process group; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a library warns of is in the failures; here it would land between tables.
    logging.getLogger().addHandler(logging.NullHandler())
    with Connection(int(argv[1])) as parent:
        try:
            _serve(parent)
        except (EOFError, OSError):
            return 0  # the parent is gone
    return 0


def _serve(parent: Connection[Any, Any]) -> None:
    name, settings = parent.recv()
    stack = load_stack(name)(**settings)
    _hold_garbage()
    parent.send(stack.facts)
    sessions: dict[int, Any] = {}
    signer: Signer | None = None
    while True:
        command, key, *arguments = parent.recv()
        if command in ("send", "ask"):
            spec, slot = arguments
            spec, sign_ns = sign(spec, signer)
            outcome, body = sessions[key].ask(spec, slot)
            outcome = signed(outcome, sign_ns)
            parent.send((outcome, body) if command == "ask" else outcome)
        elif command == "burst":
            parent.send(sessions[key].burst(*arguments))
        elif command == "open":
            session = sessions[key] = stack.open(*arguments)
            parent.send((session.build_ns, session.notes))
        elif command == "close":
            sessions.pop(key).close()
            parent.send(None)
        elif command == "signer":
            (signer,) = arguments
            signer.prepare()
            _hold_garbage()  # what the imports have left behind
            parent.send(None)
        elif command == "modules":
            parent.send(sorted(sys.modules))
        elif command == "collecting":
            parent.send(gc.isenabled())


def _hold_garbage() -> None:
    """Collect now, and from here on only between two requests."""
    gc.collect()
    gc.freeze()
    gc.disable()


if __name__ == "__main__":
    sys.exit(main(sys.argv))

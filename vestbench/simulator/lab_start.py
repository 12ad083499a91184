"""The process of a lab, from outside: starting it, waiting for it, killing it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from vestbench.children import child_environment, ending, file_of
from vestbench.ipc import ChannelClosedError, pair
from vestbench.isolation import ROOT
from vestbench.model.simulated import LinkSpec, Refusal
from vestbench.simulator.link.machine import LinkRefusedError
from vestbench.simulator.link.messages import LinkStarted, StartLink

if TYPE_CHECKING:
    from vestbench.ipc import Channel

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

READY_S = 15.0

# Isolated and without `site`: faster, and nothing in the user's environment or working
# directory can stand in for a module of the standard library.
_START = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from vestbench.simulator.lab import main; main(sys.argv[1:])"
)


class StartedLab:
    """A lab process that was started.

    Attributes:
        pid: Its number.
        channel: Where it is asked.
        link: What it says of its link.
    """

    link: LinkStarted

    def __init__(self) -> None:
        self.channel: Channel
        self.channel, there = pair()
        number = there.fileno()
        with closing(there):
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _START, ROOT, str(number)],
                executable=file_of(sys.executable),
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=(number,),
                start_new_session=True,
            )
        self.pid = self._process.pid

    def status(self, timeout_s: float) -> int | None:
        """Return its exit status without reaping it; None when it still runs.

        It is reaped by `kill` alone, so that its group cannot be another's by then.
        """
        if self._process.returncode is not None:
            return self._process.returncode
        end = time.monotonic() + timeout_s
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while True:
            found = os.waitid(os.P_PID, self.pid, flags)
            if found is not None:
                exited = found.si_code == os.CLD_EXITED
                return found.si_status if exited else -found.si_status
            if time.monotonic() >= end:
                return None
            time.sleep(0.002)

    def said(self) -> str:
        """Say how it ended."""
        return f"the lab process {ending(self.status(1.0))}"

    def kill(self) -> None:
        """End it and everything in it at once."""
        if self._process.returncode is None:
            # It leads the group of all it started. Its number cannot have been given to
            # another: it is not reaped before this.
            for end in (os.killpg, os.kill):
                # A group that consists of zombies cannot be signalled.
                with suppress(ProcessLookupError, PermissionError):
                    end(self.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5.0)
        self.channel.close()


def start_lab(spec: LinkSpec, engine: str) -> StartedLab | Refusal:
    """Start a lab whose link one engine emulates; a refused one is gone afterwards."""
    try:
        lab = StartedLab()
    except OSError as error:
        hint = f"cannot start {sys.executable}: {error}"
        return Refusal(engine=engine, step="lab", code="no-process", hint=hint)
    wanted = StartLink(**{**asdict(spec), "engine": engine})
    ready = False
    try:
        lab.link = lab.channel.ask(wanted, LinkStarted, timeout_s=READY_S)
        ready = True
    except LinkRefusedError as refused:
        return Refusal(engine=engine, **vars(refused))
    except ChannelClosedError:
        return Refusal(engine=engine, step="lab", code="lab-died", hint=lab.said())
    except TimeoutError:
        hint = f"the lab process was not ready after {READY_S:g} s"
        return Refusal(engine=engine, step="lab", code="lab-hung", hint=hint)
    finally:  # Ctrl-C included: nothing must stay behind
        if not ready:
            lab.kill()
    return lab

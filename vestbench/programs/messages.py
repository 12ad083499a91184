"""What the keeper of a program is told, and what it tells."""

from __future__ import annotations

from vestbench.ipc import Message

OWN = "/run/vestbench"  # our files, as the program sees them

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Mapping


class StartProgram(Message):
    """The first question to a keeper; answered by `ProgramStarted`."""

    argv: list[str]
    env: Mapping[str, str]
    cwd: str
    lab: int  # the process whose user and network namespaces are joined
    masked: list[str]  # folders that are empty inside
    kept: list[str]  # what stays visible of these
    files: Mapping[str, bytes]  # what is in our own folder inside, by name
    bound: Mapping[str, str]  # such a file in place of each of these paths
    local_ports: list[int]  # of the outer loopback, that can be reached inside
    terminal: bool  # the program becomes the foreground of the terminal


class ProgramStarted(Message):
    """The program runs."""

    pid: int  # outside, also of its group; 0 where it is gone already


class SignalProgram(Message):
    """Send a signal; answered by `Done`."""

    number: int
    everyone: bool  # to its children too, wherever they have gone


class EndProgram(Message):
    """Kill everything inside at once; answered by `Done`."""


class ProgramStopped(Message):
    """The program was stopped, by Ctrl-Z or for want of a terminal; nobody asked."""


class ProgramEnded(Message):
    """The program has ended, and all that it left has been killed; nobody asked."""

    status: int  # negative where a signal ended it
    left: int  # processes that it left behind
    no_route: int  # packets to addresses that lead nowhere: IPv6

"""What `serve` shows while it runs."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.asking import ask
from tests.support.command import WIDE
from vestbench.cli.live import Lines, live_parts, sentence
from vestbench.model.simulated import ExchangeCounters, HostCounters
from vestbench.report.terminal import as_text

pytestmark = pytest.mark.usefixtures("empty_folder")


def counted(connections: int = 3, **hosts: tuple[int, int]) -> ExchangeCounters:
    found = {
        name: HostCounters(connections=opened, requests=sent)
        for name, (opened, sent) in hosts.items()
    }
    return ExchangeCounters(
        connections=connections,
        handshakes=connections,
        resumed=0,
        requests=sum(host.requests for host in found.values()),
        requests_per_connection=(),
        open_connections=1,
        closes={"idle": 2},
        websockets=0,
        websocket_closes={},
        hosts=found,
    )


def test_it_says_how_many_requests_reused_their_connection() -> None:
    found = counted(3, a=(2, 10), b=(1, 1))

    assert sentence(found) == "3 connections, 11 requests, 8 reused"


def test_the_table_has_a_row_for_each_host_the_busiest_first() -> None:
    shown = as_text(live_parts(counted(3, quiet=(1, 1), busy=(2, 10))))

    assert "1 open" in shown
    assert "closed: idle 2" in shown
    rows = re.findall(r"(quiet|busy) +(\d+) +(\d+) +(\d+)", shown)
    assert rows == [("busy", "2", "10", "8"), ("quiet", "1", "1", "0")]


def test_many_hosts_leave_room_on_the_terminal() -> None:
    hosts = {f"host-{n}": (1, n + 1) for n in range(15)}

    shown = as_text(live_parts(counted(15, **hosts)))

    assert len(re.findall(r"host-\d+", shown)) == 10
    assert "and 5 others" in shown


def test_the_name_of_a_host_controls_nothing() -> None:
    assert "\x1b" not in as_text(live_parts(counted(1, **{"a\x1b[2J": (1, 1)})))


def test_a_line_is_said_when_there_is_something_new_but_not_all_the_time() -> None:
    said: list[str] = []
    now = [0.0]
    lines = Lines(said.append, clock=lambda: now[0])

    def at(second: float, found: ExchangeCounters) -> int:
        now[0] = second
        lines.take(found)
        return len(said)

    assert at(20, counted(0)) == 0  # nobody has come
    assert at(21, counted(1, a=(1, 1))) == 1
    assert at(25, counted(1, a=(1, 2))) == 1  # too soon
    assert at(31, counted(1, a=(1, 2))) == 2
    assert at(90, counted(1, a=(1, 2))) == 2  # nothing new


_STYLE = re.compile(r"\x1b\[[\d;]*m")
_MOST_SHOWN = 100_000  # it is drawn again each second, whatever it lacks


class OnATerminal:
    """`serve` with its stdout on a terminal, and what that has shown."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self.shown = ""
        command = [sys.executable, "-m", "vestbench", "serve", "--port", "0", *words]
        env = {**os.environ, **WIDE, "TERM": "xterm"}
        self.process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)

    def until(self, pattern: str) -> re.Match[str]:
        """Read until it has shown that."""
        while not (found := re.search(pattern, _STYLE.sub("", self.shown))):
            more = self._more()
            if not more or len(self.shown) > _MOST_SHOWN:
                pytest.fail(f"no {pattern}: {self.shown}")
            self.shown += more
        return found

    def end(self) -> str:
        """Interrupt it, and return all that it has shown."""
        self.process.send_signal(signal.SIGINT)
        while more := self._more():
            self.shown += more
        self.process.wait()
        os.close(self._ours)
        return self.shown

    def _more(self) -> str:
        try:
            return os.read(self._ours, 100_000).decode(errors="replace")
        except OSError:  # the other end was closed
            return ""


def test_on_a_terminal_the_table_follows_what_clients_send() -> None:
    served = OnATerminal("--processing", "0ms")
    try:
        url = served.until(r"base URL +(https://\S+)")[1]
        ca = served.until(r"trust +(\S+\.pem)\r")[1]
        ask(url, Path(ca), times=3)
        host = urlsplit(url).netloc
        served.until(rf"{host}\D+1\D+3\D+2\b")
    finally:
        shown = served.end()

    assert served.process.returncode == 0
    assert "\r\n1 connection, 3 requests, 2 reused\r\n" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back


def test_elsewhere_nothing_is_drawn() -> None:
    command = [sys.executable, "-u", "-m", "vestbench", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()

    assert lines[-1] == "Ctrl-C ends it.\n"
    assert rest == ""
    assert errors == "\n0 connections, 0 requests, 0 reused\n"

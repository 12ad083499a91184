"""Starting the link of a lab: the process that delays packets, and its self-test.

Everything here runs in the lab process, before it starts any program.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
import time

from vestbench.ipc import ChannelClosedError, FailedError, pair
from vestbench.kernel.process import name_process, sharpen_timers
from vestbench.kernel.tcp_info import tcp_info
from vestbench.simulator.link import netns
from vestbench.simulator.link.machine import (
    LinkRefusedError,
    congestion_control,
    refusing,
)
from vestbench.simulator.link.messages import LinkStarted, StartLink

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vestbench.ipc import Channel, M, Message
    from vestbench.simulator.link.devices import Device
    from vestbench.simulator.link.line import Line

CHECK_RTT_MS = 5.0  # of the second link, which only the self-test uses
CHECK_BELOW_MS, CHECK_ABOVE_MS = 0.5, 5.0
CHECK_CONNECTS = 8
ANSWER_S = 2.0  # what the forwarder may take to answer; a stopped one never does
LOOK_EVERY_S = 0.05  # whether the link still lives
APART_S = 0.012  # of connects: more than a flight, and than most stalls of a machine


class LinkProcess:
    """The forwarder process, as the lab sees it."""

    def __init__(self, body: Callable[[Channel], None]) -> None:
        self._channel, there = pair()
        lab = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self._channel.close()
            _run_link(lambda: body(there), lab)
        there.close()

    def check(self) -> None:
        """Make sure that it still runs, without reaping it.

        Raises:
            OSError: It has ended.
        """
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, self.pid, flags) is not None:
            raise OSError(errno.EPIPE, "the link has ended")

    def ask(self, question: Message, kind: type[M]) -> M:
        """Ask the link process.

        Raises:
            FailedError: It does not answer, or is gone, or could not do it.
        """
        try:
            return self._channel.ask(question, kind, timeout_s=ANSWER_S)
        except (ChannelClosedError, TimeoutError):
            raise FailedError("the link does not answer") from None


def _run_link(body: Callable[[], None], lab: int) -> None:
    """Run the body of a forked link process, and end the process."""
    status = 1
    try:
        netns.die_with_parent(lab)
        name_process("vestbench-link")
        sharpen_timers()
        body()
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())
        os._exit(status)


def start_packet_link(
    device: Device, lines: Sequence[tuple[Line, Line]]
) -> LinkProcess:
    """Fork the forwarder for a device, and leave it the only copy of the device.

    When it dies the link dies, instead of filling a queue that nobody reads.
    """
    from vestbench.simulator.link.forwarder import Forwarder

    link = LinkProcess(lambda control: Forwarder(device, lines, control).serve())
    device.close()
    return link


def enter_network() -> None:
    """Enter a namespace, and bring up its loopback."""
    netns.enter()
    with refusing("loopback", "loopback-refused"):
        netns.configure_interface("lo")
    netns.tame_tcp()


def open_device(engine: str) -> Device:
    """Make the device of a packet engine, inside the namespace."""
    from vestbench.simulator.link.devices import PacketDevice, TunDevice

    return TunDevice() if engine == "tun" else PacketDevice()


def start_link(wanted: StartLink) -> tuple[LinkProcess, LinkStarted]:
    """Start the link that is wanted, and test that it works.

    Raises:
        LinkRefusedError: This machine refuses a step.
    """
    from vestbench.simulator.link.devices import MTU
    from vestbench.simulator.link.line import Line

    enter_network()
    device = open_device(wanted.engine)
    up, down = (
        Line(
            wanted.rtt_ms / 2,
            jitter_ms=wanted.jitter_ms,
            loss=wanted.loss,
            drift_ms_per_s=wanted.drift_ms_per_s / 2,
            seed=f"{wanted.seed}/0/{direction}",
        )
        for direction in ("up", "down")
    )
    tested = Line(CHECK_RTT_MS / 2), Line(CHECK_RTT_MS / 2)
    with refusing("forwarder", "fork-refused"):
        link = start_packet_link(device, [(up, down), tested])
    check_link(link)
    control = congestion_control()
    return link, LinkStarted(pid=link.pid, congestion_control=control, mtu=MTU)


def check_link(link: LinkProcess) -> None:
    """Connect through the second link, which is fixed at 5 ms, as a functional test.

    The link of the user is not used up: its losses, flights and drift start untouched.
    A noisy machine may need several connects; one inside the tolerance is enough.
    """
    from vestbench.simulator.link.forwarder import virtual_address

    found: list[float] = []
    with refusing("self-test", "link-does-not-carry"), own_listener() as listener:
        port = listener.getsockname()[1]
        for _ in range(CHECK_CONNECTS):
            found += kernel_rtts_ms(virtual_address(1), port, link, n=1, timeout_s=2.0)
            error = found[-1] - CHECK_RTT_MS
            # The first connect pays for caches, the second must not.
            if len(found) > 1 and -CHECK_BELOW_MS <= error <= CHECK_ABOVE_MS:
                return
    seen = ", ".join(f"{rtt:.2f}" for rtt in found)
    hint = f"configured {CHECK_RTT_MS:g} ms, the kernel measured {seen} ms"
    raise LinkRefusedError("self-test", "rtt-wrong", hint=hint)


def own_listener() -> socket.socket:
    """Listen on any port of the lab; the kernel answers handshakes by itself."""
    from vestbench.simulator.link.devices import LOCAL

    return socket.create_server((LOCAL, 0), backlog=64)


def kernel_rtts_ms(
    host: str, port: int, link: LinkProcess, *, n: int, timeout_s: float
) -> list[float]:
    """Connect `n` times, and return the kernel's round trips of the handshakes.

    A connect follows when the one before is made, or after 12 ms. So each is a flight
    of its own, whose jitter the link draws anew, and a short stall of the machine does
    not meet them all; but five connects over a link of 80 ms take less than two.

    Raises:
        OSError: A connection was not made in time, or the link has ended.
    """
    end = time.monotonic() + timeout_s
    handles: list[socket.socket] = []
    try:
        for _ in range(n):
            handles.append(socket.socket())
            handles[-1].setblocking(False)
            handles[-1].connect_ex((host, port))
            select.select((), (handles[-1],), (), APART_S)
        return [_handshake_ms(handle, link, end) for handle in handles]
    finally:
        for handle in handles:
            handle.close()


def _handshake_ms(handle: socket.socket, link: LinkProcess, end: float) -> float:
    """Wait for a connection until `end`, a monotonic time; return its first RTT."""
    while not select.select((), (handle,), (), LOOK_EVERY_S)[1]:
        link.check()
        if time.monotonic() >= end:
            raise TimeoutError(errno.ETIMEDOUT, "timed out")
    failure = handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failure:
        raise OSError(failure, os.strerror(failure))
    info = tcp_info(handle)
    if info is None:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
    return info.rtt_us / 1_000

"""Starting the link of a lab: the process that delays packets, and its self-test.

Everything here runs in the lab process, before it starts any program.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import struct
import sys
import time

from vestbench.simulator.link import netns
from vestbench.simulator.link.netns import LinkRefusedError, refusing

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from vestbench.simulator.link.devices import Device
    from vestbench.simulator.link.forwarder import Line

CHECK_RTT_MS = 5.0  # of the second link, which only the self-test uses
CHECK_BELOW_MS, CHECK_ABOVE_MS = 0.5, 5.0
CHECK_CONNECTS = 8
ANSWER_S = 2.0  # what the forwarder may take to answer; a stopped one never does
APART_S = 0.012  # of connects: more than a flight, and than most stalls of a machine
TCP_INFO_RTT = 68  # offset of tcpi_rtt in struct tcp_info


class LinkProcess:
    """The forwarder or relay process, as the lab sees it."""

    def __init__(self, body: Callable[[socket.socket], None], name: str) -> None:
        here, there = socket.socketpair()
        lab = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            here.close()
            _run_link(lambda: body(there), lab, name)
        there.close()
        self._socket = here

    def ask(self, line: str) -> dict[str, Any] | None:
        """Send a line and return its answer; None when none comes, or it is gone."""
        self._socket.settimeout(ANSWER_S)
        data = b""
        try:
            self._socket.sendall(line.encode())
            while not data.endswith(b"\n"):
                part = self._socket.recv(1 << 16)
                if not part:
                    return None
                data += part
        except OSError:
            return None
        answer: dict[str, Any] = json.loads(data)
        return answer


def _run_link(body: Callable[[], None], lab: int, name: str) -> None:
    """Run the body of a forked link process, and end the process."""
    status = 1
    try:
        netns.die_with_parent(lab)
        netns.name_process(name)
        netns.sharpen_timers()
        body()
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())
        os._exit(status)


def start_packet_link(
    device: Device, lines: Iterable[tuple[Line, Line]]
) -> LinkProcess:
    """Fork the forwarder for a device, and leave it the only copy of the device.

    When it dies the link dies, instead of filling a queue that nobody reads.
    """
    from vestbench.simulator.link.forwarder import Forwarder

    pairs = list(lines)
    link = LinkProcess(
        lambda control: Forwarder(device, pairs, control).serve(), "vestbench-link"
    )
    device.close()
    return link


def symmetric_lines(spec: dict[str, Any], link: int) -> tuple[Line, Line]:
    """Return the up and the down line of a link specification."""
    from vestbench.simulator.link.forwarder import Line

    def line(direction: str) -> Line:
        return Line(
            spec["rtt_ms"] / 2,
            jitter_ms=spec.get("jitter_ms", 0.0),
            loss=spec.get("loss", 0.0),
            drift_ms_per_s=spec.get("drift_ms_per_s", 0.0) / 2,
            seed=f"{spec.get('seed', 1)}/{link}/{direction}",
        )

    return line("up"), line("down")


def enter_network() -> None:
    """Enter a namespace, and bring up its loopback.

    Raises:
        LinkRefusedError: This machine refuses it.
    """
    netns.enter()
    with refusing("loopback", "loopback-refused"):
        netns.configure_interface("lo")
    netns.tame_tcp()


def open_device(engine: str) -> Device:
    """Make the device of a packet engine, inside the namespace."""
    from vestbench.simulator.link.devices import PacketDevice, TunDevice

    return TunDevice() if engine == "tun" else PacketDevice()


def start_link(spec: dict[str, Any]) -> tuple[LinkProcess, dict[str, Any]]:
    """Start the link with the engine that `spec` names, and test that it works.

    Returns:
        The link process, and what the parent wants to know about the link.

    Raises:
        LinkRefusedError: This machine refuses a step.
    """
    if spec["engine"] == "relay":
        with refusing("relay", "relay-refused"):
            link, mtu = _start_relay(spec), 0
        if link.ask("ready") is None:
            raise LinkRefusedError("relay", "relay-died")
    else:
        from vestbench.simulator.link.devices import MTU

        enter_network()
        device = open_device(spec["engine"])
        pairs = symmetric_lines(spec, 0), symmetric_lines({"rtt_ms": CHECK_RTT_MS}, 1)
        with refusing("forwarder", "fork-refused"):
            link = start_packet_link(device, pairs)
        check_link()
        mtu = MTU
    facts = {
        "forwarder": link.pid,
        "congestion_control": netns.congestion_control(),
        "mtu": mtu,
    }
    return link, facts


def _start_relay(spec: dict[str, Any]) -> LinkProcess:
    from vestbench.simulator.link.relay import Relay

    def body(control: socket.socket) -> None:
        Relay(
            rtt_ms=spec["rtt_ms"],
            jitter_ms=spec["jitter_ms"],
            drift_ms_per_s=spec["drift_ms_per_s"],
            seed=spec["seed"],
            control=control,
        ).serve()

    return LinkProcess(body, "vestbench-relay")


def check_link() -> None:
    """Connect through the second link, which is fixed at 5 ms, as a functional test.

    The link of the user is not used up: its losses, flights and drift start untouched.
    A noisy machine may need several connects; one inside the tolerance is enough.

    Raises:
        LinkRefusedError: No connect went through, or none with the right round trip.
    """
    from vestbench.simulator.link.forwarder import virtual_address

    found: list[float] = []
    with refusing("self-test", "link-does-not-carry"), own_listener() as listener:
        port = listener.getsockname()[1]
        for _ in range(CHECK_CONNECTS):
            found.append(kernel_rtt_ms(virtual_address(1), port, timeout_s=2.0))
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


def kernel_rtt_ms(host: str, port: int, timeout_s: float) -> float:
    """Connect, and return the kernel's round trip of the handshake, in milliseconds.

    Raises:
        OSError: The connection was not made in time.
    """
    return kernel_rtts_ms(host, port, n=1, timeout_s=timeout_s)[0]


def kernel_rtts_ms(host: str, port: int, *, n: int, timeout_s: float) -> list[float]:
    """Connect `n` times, and return the kernel's round trips of the handshakes.

    A connect follows when the one before is made, or after 12 ms. So each is a flight
    of its own, whose jitter the link draws anew, and a short stall of the machine does
    not meet them all; but five connects over a link of 80 ms take less than two.

    Raises:
        OSError: A connection was not made in time.
    """
    end = time.monotonic() + timeout_s
    handles: list[socket.socket] = []
    try:
        for _ in range(n):
            handles.append(socket.socket())
            handles[-1].setblocking(False)
            handles[-1].connect_ex((host, port))
            select.select((), (handles[-1],), (), APART_S)
        return [_handshake_ms(handle, end) for handle in handles]
    finally:
        for handle in handles:
            handle.close()


def _handshake_ms(handle: socket.socket, end: float) -> float:
    """Wait for a connection until `end`, a monotonic time; return its first RTT."""
    if not select.select((), (handle,), (), max(0.0, end - time.monotonic()))[1]:
        raise TimeoutError(errno.ETIMEDOUT, "timed out")
    failure = handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failure:
        raise OSError(failure, os.strerror(failure))
    info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return float(struct.unpack_from("=I", info, TCP_INFO_RTT)[0]) / 1_000

"""The two devices that a forwarder can read packets from and write them to.

`PacketDevice` is a veth pair with a packet socket on its far end, `TunDevice` a TUN
interface. Both must be made inside a network namespace of one's own (`netns.enter`).
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
import struct
import sys
import time
from contextlib import suppress

from vestbench.simulator.link.machine import TUN_PATH, read_text, refusing
from vestbench.simulator.link.netns import (
    IFF_NOARP,
    IFF_UP,
    NLM_F_CREATE,
    NLM_F_EXCL,
    attribute,
    change_link,
    configure_interface,
    interface_info,
    interface_request,
)

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL = "10.99.0.1"
MASK = "255.254.0.0"
MTU = 1500  # gives the MSS of a WAN; that of `lo` would make one-segment flights
NEAR, FAR = "vb0", "vb1"
QUEUE = 10_000  # packets; the default of TUN, 500, overflows on bulk transfers

IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_TXQLEN, IFLA_LINKINFO = 1, 3, 4, 13, 18
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
SIOCETHTOOL = 0x8946
# TSO, GSO, transmit checksums, GRO
OFFLOADS = (0x1F, 0x24, 0x17, 0x2C)
ETH_P_IP = 0x0800
SOL_PACKET = 263
PACKET_RX_RING, PACKET_STATISTICS = 5, 6
PACKET_VERSION, PACKET_QDISC_BYPASS, TPACKET_V2 = 10, 20, 1
TP_STATUS_USER = 1
FRAME = 2048  # bytes of a slot of the ring
FRAMES = 4096
CLOCK_STEP = 1_000_000  # ns; arrivals are stamped with the wall clock, which may be set


class PacketDevice:
    """A veth pair; what is sent out of the near end arrives in a ring at the far end.

    It needs no device node, and the kernel stamps each arrival, so the time the
    forwarder needs to wake up does not count as delay.
    """

    engine = "packet"
    stamps = True  # arrivals carry the time of the kernel, not of the reader
    header = 14  # bytes before the IP header

    def __init__(self) -> None:
        with refusing(
            "veth",
            "veth-refused",
            {errno.EOPNOTSUPP: "veth-missing", errno.ENODEV: "veth-missing"},
        ):
            _create_pair()
        for name in (NEAR, FAR):
            _offloads_off(name)
        with refusing("veth-up", "veth-refused"):
            configure_interface(NEAR, flags=IFF_NOARP | IFF_UP)
            configure_interface(FAR, flags=IFF_NOARP | IFF_UP)
            configure_interface(NEAR, address=LOCAL, mask=MASK)
        with refusing(
            "packet-socket",
            "af-packet-refused",
            {errno.EAFNOSUPPORT: "af-packet-missing"},
        ):
            # Protocol 0 hears nothing before `bind`, which is 8 ms faster then.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with refusing("packet-ring", "packet-ring-refused"):
            self._open_ring()
        self._slot = 0
        self._ring_drops = 0
        self._offset = time.time_ns() - time.perf_counter_ns()

    def _open_ring(self) -> None:
        handle = self._socket
        # A socket buffer would be capped by net.core.rmem_max, about 150 packets, and
        # overflow on bulk transfers. The ring also carries the arrival time.
        handle.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
        ring = struct.pack("=IIII", 1 << 17, FRAMES // 64, FRAME, FRAMES)
        handle.setsockopt(SOL_PACKET, PACKET_RX_RING, ring)
        self._ring = mmap.mmap(handle.fileno(), FRAMES * FRAME)
        self._status = memoryview(self._ring).cast("I")
        # Bound to one protocol, the socket does not see its own transmissions.
        handle.bind((FAR, ETH_P_IP))
        handle.setblocking(False)
        with suppress(OSError):  # before Linux 3.14; it only saves time
            handle.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a packet arrives."""
        return self._socket.fileno()

    def arrivals(self) -> Iterator[tuple[int, bytes]]:
        """Yield what has arrived: the time (`perf_counter_ns`) and the frame."""
        status, ring = self._status, self._ring
        unpack = struct.Struct("=IIIHHII").unpack_from  # struct tpacket2_hdr
        clock, wall = time.perf_counter_ns, time.time_ns
        while status[self._slot * (FRAME // 4)] & TP_STATUS_USER:
            base = self._slot * FRAME
            _, _, length, start, _, seconds, nanoseconds = unpack(ring, base)
            frame = ring[base + start : base + start + length]
            status[base // 4] = 0  # gives the slot back to the kernel
            self._slot = (self._slot + 1) % FRAMES
            now = clock()
            offset = wall() - now
            moved = offset - self._offset
            # The two clocks keep their distance unless the wall clock is stepped. It
            # reads too large when this process lost the CPU in between, never too
            # small: the least one is the truest.
            if not 0 <= moved <= CLOCK_STEP:
                self._offset = offset
            if abs(moved) <= CLOCK_STEP:
                arrival = seconds * 1_000_000_000 + nanoseconds - self._offset
                now = min(now, arrival)
            yield now, frame

    def send(self, frame: bytes) -> None:
        """Hand a frame to the kernel, which delivers it before this returns."""
        self._socket.send(frame)

    def overflow(self) -> int:
        """Count packets lost since this was made, in the ring or on the way to it."""
        counters = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        # Reading the counters of the ring sets them to 0.
        self._ring_drops += int(struct.unpack("=II", counters)[1])
        return self._ring_drops + _interface_drops(NEAR) + _interface_drops(FAR)

    def close(self) -> None:
        """Give up this process's share of the device."""
        self._status.release()
        self._ring.close()
        self._socket.close()


def _create_pair() -> None:
    # One address for both ends: without ARP a frame is addressed to its sender.
    def end(name: str) -> bytes:
        return (
            attribute(IFLA_IFNAME, name.encode() + b"\0")
            + attribute(IFLA_ADDRESS, b"\x02vbnch")
            + attribute(IFLA_MTU, struct.pack("=I", MTU))
            + attribute(IFLA_TXQLEN, struct.pack("=I", QUEUE))
        )

    peer = attribute(VETH_INFO_PEER, interface_info() + end(FAR))
    kind = attribute(IFLA_INFO_KIND, b"veth") + attribute(IFLA_INFO_DATA, peer)
    body = interface_info() + end(NEAR) + attribute(IFLA_LINKINFO, kind)
    change_link(body, NLM_F_CREATE | NLM_F_EXCL)


def _offloads_off(name: str) -> None:
    """Forbid frames of 64 KiB with unfinished checksums."""
    import ctypes
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for command in OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("=II", command, 0))
            pointer = struct.pack("P", ctypes.addressof(value))
            with suppress(OSError):  # an offload that this kernel does not know
                fcntl.ioctl(handle, SIOCETHTOOL, interface_request(name, pointer))


class TunDevice:
    """A TUN interface: one IP packet per read or write.

    It needs an openable `/dev/net/tun`, and cannot see that packets waited for a
    stalled reader.
    """

    engine = "tun"
    stamps = False
    header = 0

    def __init__(self) -> None:
        import fcntl

        hint = "the packet engine needs no device node"
        codes = {
            errno.ENOENT: "no-dev-net-tun",
            errno.ENODEV: "tun-module-missing",
            errno.ENXIO: "tun-module-missing",
            errno.EACCES: "dev-net-tun-permission",
            errno.EPERM: "device-cgroup",
        }
        with refusing("tun-open", "tun-open-failed", codes, hint):
            self._fd = os.open(TUN_PATH, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        with refusing("tun-create", "tunsetiff-refused", hint=hint):
            request = struct.pack("16sH22x", NEAR.encode(), IFF_TUN | IFF_NO_PI)
            fcntl.ioctl(self._fd, _tun_set_interface(), request)
        with refusing("tun-up", "tun-refused"):
            # The ioctl SIOCSIFTXQLEN wants real root, netlink does not.
            index = socket.if_nametoindex(NEAR)
            length = attribute(IFLA_TXQLEN, struct.pack("=I", QUEUE))
            change_link(interface_info(index) + length)
            configure_interface(NEAR, address=LOCAL, mask=MASK)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a packet arrives."""
        return self._fd

    def arrivals(self) -> Iterator[tuple[int, bytes]]:
        """Yield what has arrived: when it was read (`perf_counter_ns`), the packet."""
        while True:
            now = time.perf_counter_ns()
            try:
                packet = os.read(self._fd, 2048)
            except BlockingIOError:
                return
            if packet[0] >> 4 == 4:
                yield now, packet

    def send(self, packet: bytes) -> None:
        """Hand a packet to the kernel, which delivers it before this returns."""
        os.write(self._fd, packet)

    def overflow(self) -> int:
        """Count packets lost in a full queue since this was made."""
        return _interface_drops(NEAR)

    def close(self) -> None:
        """Give up this process's share of the device."""
        os.close(self._fd)


def _interface_drops(name: str) -> int:
    for line in read_text("/proc/self/net/dev").splitlines():
        found, _, counters = line.strip().partition(":")
        if found == name:
            fields = counters.split()
            return int(fields[3]) + int(fields[11])  # received, transmitted
    return 0


Device = PacketDevice | TunDevice


def _tun_set_interface() -> int:
    # _IOW('T', 202, int); these architectures encode the direction differently.
    odd = ("mips", "ppc", "powerpc", "sparc", "alpha")
    machine = os.uname().machine
    return (0x80000000 if machine.startswith(odd) else 0x40000000) | 0x000454CA

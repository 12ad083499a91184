"""The walls round a program: what it sees of this machine, and what it may not do.

All of it is done by the keeper and its children, inside user and network namespaces
that were joined, by system calls and without a library.
"""

from __future__ import annotations

import errno
import os
import sys

from vestbench.programs.messages import OWN
from vestbench.simulator.link.machine import LinkRefusedError, refusing
from vestbench.simulator.link.netns import libc, need_user_namespace

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18

PR_CAPBSET_DROP, PR_SET_SECUREBITS = 24, 28
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
# User 0 gets nothing by an exec, and none of this can be taken back.
SECUREBITS = 0xEF
CAPABILITY_VERSION = 0x20080522

_NO_PROC = (
    "a container that hides parts of /proc does not let it be mounted again; run it "
    "with --security-opt systempaths=unconfined, or outside"
)


def join(lab: int) -> None:
    """Join the user and the network namespace of a lab.

    Raises:
        LinkRefusedError: The kernel does not allow it.
    """
    with refusing("join", "namespace-refused"):
        places = (f"/proc/{each}/ns/user" for each in (lab, "self"))
        users, ours = (os.stat(place).st_ino for place in places)
    if users == ours:  # real root's, where user namespaces are forbidden
        need_user_namespace()
    with refusing("join", "namespace-refused"):
        handles = [
            os.open(f"/proc/{lab}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            for kind in ("user", "net")
        ]
        for handle, kind in zip(handles, (CLONE_NEWUSER, CLONE_NEWNET), strict=True):
            _call("setns", handle, kind)
            os.close(handle)


def leave_the_rest() -> None:
    """Get IPC and, for children, process numbers of one's own.

    Raises:
        LinkRefusedError: The kernel does not allow it.
    """
    with refusing("unshare", "namespace-refused"):
        _call("unshare", CLONE_NEWIPC | CLONE_NEWPID)


def build(
    *,
    masked: Sequence[str],
    kept: Iterable[str],
    files: Mapping[str, bytes],
    bound: Mapping[str, str],
) -> None:
    """Hide what leads outside, and put our own files in place of some.

    Must run as the first process of a PID namespace, whose processes /proc then shows.

    Args:
        masked: Folders that become empty; those that do not exist are left out.
        kept: What stays as it is below them.
        files: The files in `OWN`, by name.
        bound: By path, the name of the file that is there instead. One that does not
            exist is left out, unless it is below a masked folder.

    Raises:
        LinkRefusedError: The kernel does not allow a step.
    """
    with refusing("mounts", "mount-refused"):
        _call("unshare", CLONE_NEWNS)
        _mount(None, "/", MS_REC | MS_PRIVATE)
        _mask(masked, kept)
        _mount("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, kind="proc")
        for path in ("/proc/sys", "/proc/sysrq-trigger", "/sys"):
            _forbid_writing(path)
        os.makedirs(OWN, exist_ok=True)
        for name, data in files.items():
            _write(f"{OWN}/{name}", data)
        for path, name in bound.items():
            _bind(f"{OWN}/{name}", path, [*map(os.path.realpath, masked)])


def _mask(masked: Iterable[str], kept: Iterable[str]) -> None:
    shown = [(p, os.open(p, os.O_PATH | os.O_CLOEXEC)) for p in kept if _exists(p)]
    for path in masked:
        if os.path.isdir(path):
            flags = MS_NOSUID | MS_NODEV
            real = os.path.realpath(path)
            _mount("tmpfs", real, flags, kind="tmpfs", data="mode=755,size=64m")
    for path, handle in shown:
        source = f"/proc/self/fd/{handle}"
        if os.path.isdir(source):
            os.makedirs(path, exist_ok=True)
            _mount(source, path, MS_BIND | MS_REC)
        os.close(handle)


def _forbid_writing(path: str) -> None:
    """Make what is mounted at a path, or its part of a mount, read-only."""
    if not os.path.exists(path):
        return
    _mount(path, path, MS_BIND | MS_REC)
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    _mount(None, path, MS_REMOUNT | MS_BIND | MS_RDONLY | flags)


def _bind(source: str, path: str, masked: Iterable[str]) -> None:
    real = os.path.realpath(path)
    if not os.path.exists(real):
        # Where a link leads into a folder that is masked, the folder is ours. Nowhere
        # else is a file made.
        if not any(real.startswith(f"{folder}/") for folder in masked):
            return
        os.makedirs(os.path.dirname(real), exist_ok=True)
        _write(real, b"")
    _mount(source, real, MS_BIND)


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o644)


def _exists(path: str) -> bool:
    return os.path.exists(path)


def give_up_rights() -> None:
    """Give up every capability, for this process and all that it starts.

    Whoever it is inside, also user 0, an `exec` gives none back.
    """
    import ctypes

    for number in range(64):
        _prctl(PR_CAPBSET_DROP, number)  # the kernel knows fewer
    _prctl(PR_SET_SECUREBITS, SECUREBITS)
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    head = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    with refusing("capabilities", "capset-refused"):
        if libc().capset(head, none) or _prctl(PR_SET_NO_NEW_PRIVS, 1):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _prctl(option: int, value: int) -> int:
    import ctypes

    return int(libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _call(name: str, *arguments: int) -> None:
    import ctypes

    if getattr(libc(), name)(*(ctypes.c_int(each) for each in arguments)):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mount(
    source: str | None,
    path: str,
    flags: int,
    *,
    kind: str | None = None,
    data: str = "",
) -> None:
    import ctypes

    words = [None if w is None else os.fsencode(w) for w in (source, path, kind)]
    if libc().mount(*words, ctypes.c_ulong(flags), os.fsencode(data) if data else None):
        number = ctypes.get_errno() or errno.EPERM
        cause = OSError(number, os.strerror(number))
        hint = _NO_PROC if kind == "proc" else ""
        raise LinkRefusedError(f"mount {path}", "mount-refused", cause, hint)

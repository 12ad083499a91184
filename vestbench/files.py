"""Files that a user names: what is none is not read, and what was private stays so."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from errno import EISDIR
from pathlib import Path
from typing import BinaryIO

from vestbench.errors import UsageError, reason_of

_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # Windows has none, and no pipe by name


def at_once(path: str, flags: int) -> int:
    """Open a file as `open` wants its opener to, without waiting for anybody.

    Raises:
        OSError: It cannot be, or it is a pipe to be written that nobody reads.
    """
    return os.open(path, flags | _AT_ONCE, 0o666)


def private_at_once(path: str, flags: int) -> int:
    """Open a file likewise; if it is created, it is for its owner alone."""
    return os.open(path, flags | _AT_ONCE, 0o600)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; a link is judged by what it leads to.

    Raises:
        OSError: It cannot be read, or is a folder, a pipe, a socket or a device.
        ValueError: Its name is none.
    """
    # Before it is opened, which some devices take as an order; and after, because
    # somebody may exchange it in between.
    _check(os.stat(path))
    file = open(path, "rb", opener=at_once)  # noqa: SIM115 - the caller closes it
    try:
        _check(os.fstat(file.fileno()))
    except OSError:
        file.close()
        raise
    return file


def _check(facts: os.stat_result) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(0, "it is not a regular file")


def read_bounded(path: Path, most_bytes: int) -> bytearray:
    """Read a file that may be of any size.

    Raises:
        OSError: As of `open_regular`.
        ValueError: Its name is none, or it is larger than `most_bytes`.
    """
    data = bytearray()
    with open_regular(path) as file:
        while piece := file.read(2**20):
            data += piece
            if len(data) > most_bytes:
                raise ValueError(f"it is larger than {most_bytes // 2**20} MiB")
    return data


def create_for(path: Path, partial: Path) -> BinaryIO:
    """Create `partial`, which will replace `path`: for the same people, if that exists.

    Raises:
        OSError: It cannot be created, or exists.
    """
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        return partial.open("xb")
    file = open(partial, "xb", opener=private_at_once)  # noqa: SIM115 - the caller closes it
    _let_in(file.fileno(), facts)
    return file


def _let_in(descriptor: int, facts: os.stat_result) -> None:
    """Give a file the owner, the group and the mode of another, as far as we may.

    A group that it cannot have gets no rights: they would be those of our own. On
    Windows a new file has the rights that its folder gives.
    """
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(facts.st_mode)
    with suppress(OSError):
        os.fchown(descriptor, facts.st_uid, -1)
    try:
        os.fchown(descriptor, -1, facts.st_gid)
    except OSError:
        mode &= ~stat.S_IRWXG
    with suppress(OSError):  # a file system without modes
        os.fchmod(descriptor, mode)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it exists.

    Raises:
        OSError: It cannot be made.
        ValueError: One of them is no folder, or the name is none.
    """
    for each in (path, *path.parents):
        if os.path.lexists(each) and not each.is_dir():
            raise ValueError(f"{each} is no folder")
    path.mkdir(parents=True, exist_ok=True)


def is_standard_output(path: Path) -> bool:
    """Say whether standard output, or error, goes to this file, whatever its name."""
    for descriptor in (1, 2):
        with suppress(OSError):  # either may be closed, and the file not exist
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return True
    return False


def leads_out(path: Path) -> bool:
    """Say whether links have what is called within the working directory elsewhere.

    A project brings its links with it, and nobody who names such a file expects that.
    """
    try:
        root = os.getcwd()
        named = os.path.normpath(os.path.join(root, path))
        there = os.path.realpath(named)
    except (OSError, ValueError):  # the directory was deleted, or the name is none
        return False
    return Path(named).is_relative_to(root) and not Path(there).is_relative_to(root)


def working_directory() -> Path:
    """Return the working directory.

    Raises:
        UsageError: It was deleted meanwhile, or a folder above it cannot be read.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the working directory cannot be used: {reason_of(error)}; change to "
            "another"
        ) from error
